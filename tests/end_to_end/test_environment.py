"""Real commands on machines as users have them: other users, odd paths, no home, kills."""

import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from checkouts import Checkout, clone

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
    for folder in checkout.path.parents[:3]:
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


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("content", ["", "half"])
def test_what_a_kill_left_half_written_is_mended_by_the_next_run(
    checkout: Checkout, engine: tuple[str, ...], content: str
) -> None:
    checkout.run("dvc", "repro", "pull@structures")
    checkout.run("dvc", "status")  # any later command sees the lock whole
    lock = checkout.path / "dvc.lock"
    whole = lock.read_text()
    lock.write_text(whole[: len(whole) // 2] if content else "")
    (checkout.path / ".dvc/tmp/rwlock").write_text('{"write"' if content else "")
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
    if engine[0] == "snakemake":
        checkout.run("snakemake", "--unlock")
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
