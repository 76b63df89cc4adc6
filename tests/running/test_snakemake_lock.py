"""The lock of a killed Snakemake is removed, and that of a running one is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sonotrace import cli

HOLD = """
import sys
from pathlib import Path
from sonotrace.running import snakemake_lock

if len(sys.argv) > 1:
    snakemake_lock.platform.node = lambda: sys.argv[1]
for line in snakemake_lock.hold(Path.cwd(), Path("state")):
    print(line)
locks = Path(".snakemake/locks")
count = len(list(locks.glob("*.lock")))
(locks / "0.output.lock").touch()
print(count, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def top(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def start(top):
    """Start a process that takes the lock as Snakemake does, and runs until it is killed."""
    running = []

    def one(machine=None):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, *([machine] if machine else [])],
            cwd=top,
            env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        printed = []
        while not printed or not printed[-1].isdigit():
            printed.append(process.stdout.readline().strip())
        return process, printed

    yield one
    for process in running:
        process.kill()
        process.communicate()


def kill(process):
    process.kill()
    process.wait()


REMOVED = ".snakemake/locks: a killed Snakemake left its lock; removed, since none runs"


def test_the_lock_of_a_killed_one_is_removed(start):
    first, printed = start()
    assert printed == ["0"]
    kill(first)
    assert start()[1] == [REMOVED, "0"]


def test_the_lock_of_a_running_one_stays_whoever_else_came_and_went(start):
    first, _ = start()
    second, printed = start()
    assert printed == ["1"]
    kill(second)
    assert start()[1] == ["1"]
    kill(first)
    assert start()[1] == ["1"], "the third one still runs"


def test_the_lock_stays_where_another_machine_may_hold_it(start, top):
    kill(start("elsewhere")[0])
    for _ in range(2):  # coming twice makes nobody its owner
        process, printed = start()
        assert printed == ["1"]
        kill(process)
    (top / ".snakemake/locks/0.output.lock").unlink()  # as `snakemake --unlock` does
    kill(start()[0])
    assert start()[1] == [REMOVED, "0"]


def test_the_lock_stays_where_the_state_was_deleted_under_a_running_one(start, top):
    start()
    (top / "state/snakemake").unlink()
    for _ in range(2):
        process, printed = start()
        assert printed == ["1"]
        kill(process)


def test_children_of_a_killed_one_do_not_hold_its_lock(start, top):
    code = HOLD.replace("sys.stdin.read()", "import subprocess\nsubprocess.Popen(['sleep', '5'], close_fds=False)\n")
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=top,
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert start()[1] == [REMOVED, "0"]


def test_without_a_writable_state_nothing_is_removed(top):
    from sonotrace.running import snakemake_lock

    lock = top / ".snakemake/locks/0.output.lock"
    lock.write_text("x")
    assert snakemake_lock.hold(top, top / "missing") == []
    assert lock.exists()
