"""Real commands on machines as users have them: other users, odd paths, no home, kills."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import recording_resolver
import typer
import yaml
from checkouts import Checkout, clone

from sonotrace import cli

ENGINES = [("dvc", "repro", "pull@planes"), ("snakemake", "--cores", "2", "pull_planes")]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user or change mounts")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return clone(tmp_path)


@pytest.mark.parametrize("umask", ["022", "077", "000"])
def test_no_folder_that_others_can_write_to_can_be_reached_by_them(checkout: Checkout, umask: str) -> None:
    checkout.run("sh", "-c", f"umask {umask} && dvc status && dvc repro pull@structures")
    assert list((checkout.path / ".sonotrace/dvc/repo").iterdir()), "DVC keeps its state there"
    for folder, below, _ in os.walk(checkout.path):
        below[:] = [name for name in below if stat.S_IMODE((Path(folder) / name).lstat().st_mode) & 0o011]
        if umask != "000":  # the user's own choice, for the data and the cache
            assert not Path(folder).stat().st_mode & stat.S_IWOTH, folder


@pytest.mark.parametrize("command", [("dvc", "status"), ("python", "-m", "dvc", "status"), ("snakemake", "--dry-run")])
def test_state_that_others_could_have_written_is_not_read(checkout: Checkout, command: tuple[str, ...]) -> None:
    planted = checkout.path / ".sonotrace/dvc/repo/planted"
    planted.mkdir(parents=True)
    planted.parent.chmod(0o777)
    assert "other users could write here" in checkout.run(*command)
    assert not planted.exists()


@pytest.mark.parametrize("place", ["Größe", "with space", "超声"])
def test_a_checkout_may_lie_below_any_folder_name(tmp_path: Path, place: str) -> None:
    checkout = clone(tmp_path / place)
    checkout.run("dvc", "remote", "add", "--local", "mine", "/somewhere")
    before = (checkout.path / ".dvc/config.local").read_bytes()
    checkout.run("dvc", "repro", "validate@structures")
    assert (checkout.path / ".dvc/config.local").read_bytes() == before
    assert (checkout.path / ".sonotrace/dvc/repo").is_dir()


def test_a_copied_checkout_keeps_its_own_state(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("dvc", "status")
    copied = Checkout(tmp_path / "copied", checkout.home)
    checkout.run("cp", "-a", str(checkout.path), str(copied.path))
    before = sorted((checkout.path / ".sonotrace/dvc/repo").iterdir())
    copied.run("dvc", "repro", "pull@structures")
    assert sorted((checkout.path / ".sonotrace/dvc/repo").iterdir()) == before


@needs_root
@pytest.mark.parametrize("command", ["dvc status", "snakemake -n", "dvc repro pull@structures"])
def test_a_user_without_account_and_home_can_run_both_engines(checkout: Checkout, command: str) -> None:
    for folder in checkout.path.parents[:4]:  # of pytest, which leaves them to this user alone
        if folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    checkout.run("chown", "-R", "12345:12345", str(checkout.path), online=True)
    as_other = "setpriv --reuid=12345 --regid=12345 --clear-groups env -u USER -u LOGNAME HOME=/"
    if subprocess.run(
        [*as_other.split()[:4], "python3", "-c", "import dvc"],
        env=checkout.environment(),
        check=False,
        capture_output=True,
    ).returncode:
        pytest.skip("another user cannot read this environment")
    printed = checkout.run("sh", "-c", f"{as_other} {command}", online=True)
    assert "Traceback" not in printed


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_written_into_the_home(checkout: Checkout, engine: tuple[str, ...]) -> None:
    checkout.run(*engine)
    assert list(checkout.home.iterdir()) == []


RECORDING = ["unshare", "--map-root-user", "--net", "--mount"]
recorder = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*RECORDING, "true"], check=False).returncode != 0,
    reason="this machine allows no network namespaces",
)


STRACE = shutil.which("strace")
WATCHED = ["strace", "--follow-forks", "--seccomp-bpf", "--quiet=all", "--trace=connect,sendto,sendmsg"]
ADDRESS = re.compile(r"sin6?_port=htons\((\d+)\).*?inet_(?:addr\(|pton\(AF_INET6, )\"([^\"]+)\"")


def _contacted(checkout: Checkout, tmp_path: Path, *command: str) -> tuple[list[str], set[str]]:
    """Run a command; return the names that it looked up and the addresses and ports that it wrote to.

    Without strace, addresses stay unknown. That of the name server is left out.
    """
    names, calls = tmp_path / "names", tmp_path / "calls"
    watched = [*WATCHED, f"--output={calls}"] if STRACE else []
    resolver = [sys.executable, str(Path(recording_resolver.__file__)), str(names)]
    checkout.run(*RECORDING, *resolver, *watched, *command, online=True)
    asked = names.read_text().split() if names.exists() else []
    found = ADDRESS.findall(calls.read_text()) if STRACE else []
    return asked, {f"{address}:{port}" for port, address in found} - {"127.0.0.1:53"}


@recorder
def test_look_ups_and_connections_are_noted(checkout: Checkout, tmp_path: Path) -> None:
    code = """
import contextlib, socket
with contextlib.suppress(OSError): socket.getaddrinfo("host.example.org", 80)
for family, address in ((socket.AF_INET, "192.0.2.7"), (socket.AF_INET6, "2001:db8::7")):
    with contextlib.suppress(OSError), socket.socket(family) as one: one.connect((address, 443))
with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.sendto(b"x", ("192.0.2.8", 8125))
"""
    names, addresses = _contacted(checkout, tmp_path, "python", "-c", code)
    assert "host.example.org" in names
    if STRACE:
        assert {"192.0.2.7:443", "2001:db8::7:443", "192.0.2.8:8125"} <= addresses


ASKING = {
    *("dvc status", "dvc metrics show", "dvc plots show", "snakemake --dry-run", "sonotrace sources"),
    *("sonotrace metrics", "sonotrace runs", "sonotrace verify", "sonotrace lineage models/planes.keras"),
    *("sonotrace predict data/planes/pull/images --json", "sonotrace compare HEAD workspace"),
    *("sonotrace export mlbom {folder}/bom.json", "sonotrace export card {folder}/card.md"),
}
WAITING = {"serve", "review"}
"""Commands that wait for a browser; tests/serve and tests/review hold them to the loopback address."""
FORKED = {"train_cnn_fold", "train_ensemble", "train_distilled", "train_yolo_fold", "evaluate_folds"}
SHARDED = {"prepare_shard", "augment_shard"}
SCOPED = {"evaluate_scope", "gather_scope"}
"""Stages that the graph as shipped does not have."""
CHANGING = {"audit-labels", "sign", "use", "withdraw", "patient-key"}
"""Commands that train for long, or need a key or a data set of the user's; what they try is not watched."""


@recorder
@pytest.mark.parametrize("command", sorted(ASKING))
def test_no_command_looks_a_host_up_or_writes_to_one(by_dvc: Checkout, tmp_path: Path, command: str) -> None:
    assert _contacted(by_dvc, tmp_path, *command.format(folder=tmp_path).split()) == ([], set())


@recorder
@pytest.mark.parametrize("stage", ["pull", "validate", "split", "prepare", "augment", "train_cnn", "train_yolo"])
def test_no_stage_looks_a_host_up_or_writes_to_one(by_dvc: Checkout, tmp_path: Path, stage: str) -> None:
    data_set = "structures" if stage == "train_yolo" else "planes"
    forced = ("dvc", "repro", "--force", "--single-item", f"{stage}@{data_set}")
    assert _contacted(by_dvc, tmp_path, *forced) == ([], set())


@recorder
def test_neither_do_the_stages_after_the_trainings(by_dvc: Checkout, tmp_path: Path) -> None:
    later = [f"{stage}@{name}" for stage in ("evaluate", "export_onnx", "gather") for name in ("planes", "structures")]
    forced = ("dvc", "repro", "--force", "--single-item", *later, "report")
    assert _contacted(by_dvc, tmp_path, *forced) == ([], set())


def test_every_command_is_tried_or_named_as_not(by_dvc: Checkout) -> None:
    known = set(typer.main.get_command(cli.app).commands)
    tried = {command.split()[1] for command in ASKING if command.startswith("sonotrace")}
    graph = {stage.partition("@")[0] for stage in lock_of(by_dvc)}
    assert known - tried - graph == {"pin", *WAITING, *FORKED, *SHARDED, *SCOPED, *CHANGING}


def lock_of(checkout: Checkout) -> list[str]:
    return list(yaml.safe_load((checkout.path / "dvc.lock").read_text())["stages"])


@needs_root
def test_git_says_how_to_read_a_checkout_of_another_user(by_dvc: Checkout) -> None:
    by_dvc.run("chown", "12345", str(by_dvc.path), str(by_dvc.path / ".git"), online=True)
    try:
        for command in (("sonotrace", "lineage", "models/planes.keras"), ("sonotrace", "verify")):
            printed = by_dvc.run(*command, fails=True, online=True)
            assert f"git config --global --add safe.directory {by_dvc.path}" in printed
            assert "no git repository" not in printed
    finally:
        by_dvc.run("chown", "0", str(by_dvc.path), str(by_dvc.path / ".git"), online=True)


@needs_root
def test_the_phantom_is_the_same_without_shared_memory(checkout: Checkout) -> None:
    lock = checkout.path / "dvc.lock"
    checkout.run("dvc", "repro", "pull@planes")
    before = lock.read_text()
    readonly = "mount -t tmpfs -o ro none /dev/shm && dvc repro --force pull@planes"
    checkout.run("unshare", "--mount", "sh", "-c", readonly, online=True)
    assert lock.read_text() == before


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cut", ["empty", "in a line", "at the end of a line"])
def test_what_a_kill_left_half_written_is_mended_by_the_next_run(
    checkout: Checkout, engine: tuple[str, ...], cut: str
) -> None:
    checkout.run("dvc", "repro", "pull@structures")
    checkout.run("dvc", "status")  # any later command sees the lock whole
    lock = checkout.path / "dvc.lock"
    whole = lock.read_text()
    end = whole.index("\n", len(whole) // 2)
    left = {"empty": "", "in a line": whole[: end - 2], "at the end of a line": whole[: end + 1]}[cut]
    lock.write_text(left)
    (checkout.path / ".dvc/tmp/rwlock").write_text('{"write"' if left else "")
    printed = checkout.run(*engine)
    assert "dvc.lock: a killed run left it incomplete; put back" in printed
    assert ".dvc/tmp/rwlock: a killed run left it incomplete; removed" in printed
    stages = yaml.safe_load(lock.read_text())["stages"]
    assert stages["pull@structures"] == yaml.safe_load(whole)["stages"]["pull@structures"]
    assert "pull@planes" in stages


@pytest.mark.parametrize(
    ("engine", "number"),
    # On SIGTERM, Snakemake itself waits for the jobs that run, and starts no other.
    [(ENGINES[0], signal.SIGTERM), (ENGINES[0], signal.SIGKILL), (ENGINES[1], signal.SIGKILL)],
)
def test_a_killed_engine_takes_its_stage_along(
    checkout: Checkout, engine: tuple[str, ...], number: signal.Signals
) -> None:
    checkout.set_params({"pull.planes.phantom.images": 2000})
    process = subprocess.Popen(
        engine, cwd=checkout.path, env=checkout.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    part = checkout.path / "data/planes/pull"
    _until(lambda: list(part.glob("*.part/images/*.png")), process)
    process.send_signal(number)
    process.wait(30)
    _until(lambda: not _stages_in(checkout.path))
    checkout.set_params({"pull.planes.phantom.images": 48})
    assert "Running stage 'pull@planes'" in checkout.run(*engine)
    assert list(part.glob("*.part")) == []


def _stages_in(folder: Path) -> list[int]:
    """Return the processes of stages that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder and b"sonotrace" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def _until(condition, process: subprocess.Popen | None = None) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process is None or process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
