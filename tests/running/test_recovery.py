"""After a kill, `dvc.lock` and DVC's table of locks are mended, and nothing else is touched."""

import fcntl
import json
import os
import subprocess

import psutil
import pytest
import yaml

from sonotrace.running import recovery
from sonotrace.running.recovery import BROKEN, keep_copy, recover

COMMITTED = yaml.safe_dump({"schema": "2.0", "stages": {"pull": {"cmd": "committed"}}})
LATER = yaml.safe_dump({"schema": "2.0", "stages": {"pull": {"cmd": "later"}, "split": {"cmd": "x"}}})


@pytest.fixture
def top(tmp_path, monkeypatch):
    monkeypatch.setattr(recovery, "_AGAIN_S", 0.01)
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / ".sonotrace").mkdir()
    (tmp_path / "dvc.lock").write_text(COMMITTED)
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run([*git, "add", "dvc.lock"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "lock"], check=True)
    return tmp_path


def _recover(top):
    return recover(top, top / ".sonotrace")


@pytest.mark.parametrize(
    "broken",
    ["", LATER[:60], LATER[: LATER.index("cmd") + 3], LATER[: LATER.index("  split")]],
    ids=["empty", "cut", "in a key", "at the end of a line"],
)
def test_a_lock_cut_short_is_put_back_as_it_was_last_seen_whole(top, broken):
    (top / "dvc.lock").write_text(LATER)
    assert _recover(top) == []
    (top / "dvc.lock").write_text(broken)
    (said,) = _recover(top)
    assert said.startswith("dvc.lock: a killed run left it incomplete; put back as it was before that stage")
    assert (top / "dvc.lock").read_text() == LATER
    assert (top / ".sonotrace" / BROKEN).read_text() == broken


def test_an_older_lock_that_is_committed_is_no_cut_one(top):
    (top / "dvc.lock").write_text(COMMITTED + "    params: {}\n")
    assert _recover(top) == []
    (top / "dvc.lock").write_text(COMMITTED)
    assert _recover(top) == []


def test_without_a_copy_it_is_put_back_as_committed_and_else_removed(top):
    (top / "dvc.lock").write_text("")
    assert "put back as it was committed" in _recover(top)[0]
    assert (top / "dvc.lock").read_text() == COMMITTED
    (top / ".sonotrace/last-whole-dvc.lock").unlink()
    subprocess.run(["git", "-C", top, "update-ref", "-d", "HEAD"], check=True)
    (top / "dvc.lock").write_text("")
    assert "removed, since neither a copy nor git has it" in _recover(top)[0]
    assert not (top / "dvc.lock").exists()


def test_a_lock_that_is_being_written_is_left_alone(top):
    (top / "dvc.lock").write_text("")
    with (top / ".dvc/tmp/lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert _recover(top) == []
    assert (top / "dvc.lock").read_text() == ""


def test_a_lock_that_git_is_merging_is_left_alone(top):
    text = f"<<<<<<< HEAD\n{COMMITTED}=======\n{LATER}>>>>>>> other"
    (top / "dvc.lock").write_text(text)
    assert _recover(top) == []
    assert (top / "dvc.lock").read_text() == text


def test_a_lock_that_somebody_deleted_stays_deleted(top):
    _recover(top)
    (top / "dvc.lock").unlink()
    assert _recover(top) == []
    assert not (top / "dvc.lock").exists()


def test_a_broken_lock_is_never_taken_as_the_copy(top):
    keep_copy(top, top / ".sonotrace")
    (top / "dvc.lock").write_text(LATER[:60])
    keep_copy(top, top / ".sonotrace")
    assert (top / ".sonotrace/last-whole-dvc.lock").read_text() == COMMITTED


@pytest.mark.parametrize("broken", ["", '{"write": {"/a": '])
def test_a_table_of_locks_cut_short_is_removed_unless_a_process_holds_it(top, broken):
    table = top / ".dvc/tmp/rwlock"
    table.write_text(broken)
    with (top / ".dvc/tmp/rwlock.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert _recover(top) == []
    assert table.read_text() == broken
    assert _recover(top) == [".dvc/tmp/rwlock: a killed run left it incomplete; removed, since no process holds it"]
    assert not table.exists()


def test_a_whole_table_of_locks_is_kept(top):
    (top / ".dvc/tmp/rwlock").write_text('{"write": {}, "read": {}}')
    assert _recover(top) == []
    assert (top / ".dvc/tmp/rwlock").exists()


def _table(top, pid):
    entry = {"pid": pid, "cmd": "dvc repro"}
    text = json.dumps({"write": {"/a": entry}, "read": {"/b": [entry, {"pid": os.getpid(), "cmd": "this one"}]}})
    (top / ".dvc/tmp/rwlock").write_text(text)
    return top / ".dvc/tmp/rwlock"


def test_a_killed_process_that_nobody_has_waited_for_holds_nothing(top):
    killed = subprocess.Popen(["sleep", "60"])
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
    table = _table(top, killed.pid)
    with (top / ".dvc/tmp/rwlock.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert _recover(top) == []
    assert _recover(top) == [f".dvc/tmp/rwlock: released the locks of process {killed.pid}, which has ended"]
    assert json.loads(table.read_text()) == {"write": {}, "read": {"/b": [{"pid": os.getpid(), "cmd": "this one"}]}}
    killed.wait()


def test_a_number_that_another_process_has_got_since_holds_nothing_and_one_that_runs_does(top):
    table = _table(top, os.getpid())
    assert _recover(top) == []
    an_hour_ago = psutil.Process().create_time() - 3600
    os.utime(table, (an_hour_ago, an_hour_ago))
    assert _recover(top) == [f".dvc/tmp/rwlock: released the locks of process {os.getpid()}, which has ended"]
    assert json.loads(table.read_text()) == {"write": {}, "read": {}}


def test_a_process_that_runs_the_command_noted_holds_its_lock_though_the_clock_was_set_forward(top):
    with subprocess.Popen(["sleep", "61.5"]) as process:
        entry = {"pid": process.pid, "cmd": "/usr/bin/sleep 61.5"}
        table = top / ".dvc/tmp/rwlock"
        table.write_text(json.dumps({"write": {"/a": entry}, "read": {}}))
        an_hour_ago = psutil.Process(process.pid).create_time() - 3600
        os.utime(table, (an_hour_ago, an_hour_ago))
        assert _recover(top) == []
        process.kill()


@pytest.mark.parametrize("content", ['{"write": []}', '{"write": {"/a": {}}}', '{"read": {"/a": {"pid": 1}}}', "{}"])
def test_a_table_of_locks_in_another_form_is_left_to_dvc(top, content):
    (top / ".dvc/tmp/rwlock").write_text(content)
    assert _recover(top) == []
    assert (top / ".dvc/tmp/rwlock").read_text() == content
