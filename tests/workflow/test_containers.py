"""What runs in containers: the image holds the locked environment, and jobs on Kubernetes find the checkout."""

import fnmatch
import json
import re
import subprocess
import sys
from pathlib import Path

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
