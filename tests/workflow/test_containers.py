"""What runs in containers: the image holds the locked environment, and jobs on Kubernetes find the checkout."""

import fnmatch
import importlib
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from checkouts import Checkout, clone

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "workflow/profiles/kubernetes"
PLUGIN = "snakemake_executor_plugin_kubernetes_volume"


def _copied() -> list[str]:
    """Return what the Containerfile copies from the checkout, patterns as they are."""
    lines = re.findall(r"^COPY (.+) \S+$", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    return [path for line in lines for path in line.split()]


def test_the_image_is_given_all_that_its_targets_of_make_read() -> None:
    makefile = (ROOT / "Makefile").read_text()
    rules = re.findall(r"^(?:\$\(VENV\)/ready|kubernetes):(.*\n(?:\t.*\n)+)", makefile, re.MULTILINE)
    assert len(rules) == 2
    read = set(re.findall(r"requirements[\w-]*\.lock|pyproject\.toml|workflow/[\w.]+", " ".join(rules)))
    assert len(read) == 7
    copied = _copied()
    assert {path for path in read if not any(fnmatch.fnmatch(path, pattern) for pattern in copied)} == set()


def test_what_the_image_copies_is_there_and_nothing_else_is_sent_to_the_builder() -> None:
    copied = _copied()
    assert all(list(ROOT.glob(pattern)) for pattern in copied)
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    sent = [line[1:] for line in lines if line[0] == "!"]
    assert {path for path in copied if not {path, path.partition("/")[0]} & set(sent)} == set()
    assert {path for path in sent if not any(path == one or one.startswith(f"{path}/") for one in copied)} == set()


def test_the_devcontainer_is_a_stage_of_the_containerfile() -> None:
    text = (ROOT / ".devcontainer/devcontainer.json").read_text()
    build = json.loads(re.sub(r"^//.*$", "", text, flags=re.MULTILINE))["build"]
    containerfile = ROOT / ".devcontainer" / build["dockerfile"]
    assert f" AS {build['target']}\n" in containerfile.read_text()


def test_the_profile_and_the_pod_name_the_same_image_and_mount_the_volume_at_the_same_path() -> None:
    profile = yaml.safe_load((PROFILE / "config.yaml").read_text())
    made = {one["kind"]: one for one in yaml.safe_load_all((ROOT / "workflow/kubernetes.yaml").read_text())}
    pod = made["Pod"]["spec"]
    (container,), (volume,) = pod["containers"], pod["volumes"]
    claim = volume["persistentVolumeClaim"]["claimName"]
    assert claim == made["PersistentVolumeClaim"]["metadata"]["name"]
    assert profile["kubernetes-volume-persistent-volumes"] == [f"{claim}:{container['volumeMounts'][0]['mountPath']}"]
    assert profile["container-image"] == container["image"]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds what `make kubernetes` installs."""
    into = tmp_path_factory.mktemp("plugin")
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--target", str(into), "--requirement", str(ROOT / "requirements-kubernetes.lock")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the Kubernetes plugin cannot be installed: {done.stderr[-300:]}")
    (into / PLUGIN).symlink_to(ROOT / "workflow" / PLUGIN)
    return into


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return clone(tmp_path_factory.mktemp("kubernetes"))


def test_snakemake_takes_the_profile_with_the_plugin(checkout: Checkout, plugin: Path) -> None:
    command = ("env", f"PYTHONPATH={plugin}", "snakemake", "--dry-run", "--workflow-profile", str(PROFILE))
    assert "pull_structures" in checkout.run(*command, "pull_structures")


def test_the_plugin_takes_it_that_jobs_see_the_checkout(checkout: Checkout, plugin: Path) -> None:
    asked = f"from {PLUGIN} import common_settings as it; print(it.implies_no_shared_fs, it.job_deploy_sources)"
    assert checkout.run("env", f"PYTHONPATH={plugin}", "python", "-c", asked).split() == ["False", "False"]


@pytest.fixture
def volume(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the plugin as a module."""
    monkeypatch.syspath_prepend(str(plugin))
    return importlib.import_module(PLUGIN)


@pytest.fixture
def cluster(volume: ModuleType, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return a cluster that records what it is asked, and gives `answer`, or raises it."""
    seen = SimpleNamespace(requests=[], answer=None)

    def call(_: Any, path: str, method: str, *given: Any, body: Any = None, **__: Any) -> Any:
        seen.requests.append((method, path, dict(given[1]), body))
        if isinstance(seen.answer, Exception):
            raise seen.answer
        return seen.answer

    monkeypatch.setattr(volume.client.ApiClient, "call_api", call)
    return seen


@pytest.fixture
def executor(volume: ModuleType) -> Any:
    """Return an executor that has not connected to a cluster."""
    made = object.__new__(volume.Executor)
    made.namespace = "default"
    made.batchapi = volume.Jobs()
    return made


def test_a_job_is_deleted_with_its_pods(executor: Any, cluster: SimpleNamespace) -> None:
    executor.safe_delete_job("snakejob-1")
    ((method, path, query, body),) = cluster.requests
    assert (method, path, query) == ("DELETE", "/apis/batch/v1/namespaces/{namespace}/jobs/{name}", {})
    assert body.propagation_policy == "Foreground"


def test_a_job_that_is_gone_need_not_be_deleted(executor: Any, cluster: SimpleNamespace, volume: ModuleType) -> None:
    cluster.answer = volume.client.ApiException(status=404)
    executor.safe_delete_job("snakejob-1")
    cluster.answer = volume.client.ApiException(status=403)
    with pytest.raises(volume.client.ApiException):
        executor.safe_delete_job("snakejob-1")


def test_only_the_newest_pod_of_a_job_counts(cluster: SimpleNamespace, volume: ModuleType) -> None:
    def pod(name: str, age: int) -> Any:
        made = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=age)
        return volume.client.V1Pod(metadata=volume.client.V1ObjectMeta(name=name, creation_timestamp=made))

    cluster.answer = volume.client.V1PodList(items=[pod("replacement", 1), pod("deleted", 60)])
    assert [one.metadata.name for one in volume.Pods().list_namespaced_pod("default").items] == ["replacement"]
    cluster.answer = volume.client.V1PodList(items=[])
    assert volume.Pods().list_namespaced_pod("default").items == []


def test_the_log_of_a_failed_job_is_that_of_its_one_container(cluster: SimpleNamespace, volume: ModuleType) -> None:
    cluster.answer = "what it printed"
    assert volume.Pods().read_namespaced_pod_log("pod", "default", previous=True) == "what it printed"
    assert "previous" not in cluster.requests[0][2]


def test_a_failed_job_without_a_log_does_not_end_the_run(cluster: SimpleNamespace, volume: ModuleType) -> None:
    cluster.answer = volume.client.ApiException(status=404, reason="Not Found")
    assert "Not Found" in volume.Pods().read_namespaced_pod_log("pod", "default", previous=True)


def test_a_job_has_more_shared_memory_than_containers_have_and_stops_soon(
    cluster: SimpleNamespace, volume: ModuleType
) -> None:
    client = volume.client
    pod = client.V1PodSpec(containers=[client.V1Container(name="snakemake", volume_mounts=[])], volumes=[])
    body = client.V1Job(spec=client.V1JobSpec(template=client.V1PodTemplateSpec(spec=pod)))
    volume.Jobs().create_namespaced_job("default", body)
    sent = cluster.requests[0][3].spec.template.spec
    (mount,), (made,) = sent.containers[0].volume_mounts, sent.volumes
    assert (mount.name, mount.mount_path, made.empty_dir.medium) == (made.name, "/dev/shm", "Memory")  # noqa: S108
    assert sent.termination_grace_period_seconds == 1


@pytest.mark.parametrize("kept", [False, True])
def test_a_failed_job_is_deleted_before_it_is_reported(
    executor: Any, cluster: SimpleNamespace, volume: ModuleType, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    def report(*_: Any, **__: Any) -> None:
        assert [method for method, *_ in cluster.requests] == ([] if kept else ["DELETE"])
        cluster.requests.append(("reported",))

    monkeypatch.setattr(volume.plugin.Executor, "report_job_error", report)
    executor.workflow = SimpleNamespace(executor_settings=SimpleNamespace(omit_job_cleanup=kept))
    executor.report_job_error(SimpleNamespace(external_jobid="snakejob-1"), msg="failed")
    assert cluster.requests[-1] == ("reported",)


def test_a_node_with_two_cores_has_room_for_snakemake_and_a_stage(volume: ModuleType) -> None:
    made = {one["kind"]: one for one in yaml.safe_load_all((ROOT / "workflow/kubernetes.yaml").read_text())}
    pod = int(made["Pod"]["spec"]["containers"][0]["resources"]["requests"]["cpu"].removesuffix("m"))
    threads = max(map(int, re.findall(r"meta: \{threads: (\d+)", (ROOT / "dvc.yaml").read_text())))
    assert pod + threads * volume.ExecutorSettings().cpu_scalar * 1000 <= 2000
