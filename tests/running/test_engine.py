"""A stage ends with its engine, runs alone, and says how to go on when it is stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sonotrace.running import engine
from sonotrace.running.start import checkout_around, engine_of

STAGE = """
import sys, time
from pathlib import Path
from sonotrace.running import engine
with engine.stage(sys.argv[1]):
    try:
        Path("started").write_text("x")
        time.sleep(60)
    finally:
        Path("cleared").write_text("x")
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(engine.__file__).parents[2]))
    Path("stage.py").write_text(STAGE)


def _until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _stage(*arguments):
    process = subprocess.Popen(
        [sys.executable, "stage.py", "split@planes", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        # A job that a shell runs in the background is deaf to SIGINT; these tests may be one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    _until(Path("started").exists)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stage_that_is_stopped_clears_up_and_says_how_to_go_on(number):
    process = _stage()
    process.send_signal(number)
    assert process.communicate(timeout=30)[1] == (
        "split@planes: stopped. `dvc repro` goes on with this stage; finished stages are kept\n"
    )
    assert process.returncode == 130
    assert Path("cleared").exists()


def test_a_stopped_experiment_and_a_stopped_snakemake_have_their_own_remedies(monkeypatch):
    assert "The same command goes on" in engine.how_to_go_on(["dvc", "snakemake"])
    monkeypatch.setenv("DVC_EXP_NAME", "wiry-gnat")
    said = engine.how_to_go_on(["dvc"])
    assert "the same `dvc exp run`" in said
    assert "`git switch -`" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stage_ends_with_its_engine_whatever_shells_lie_between(number):
    Path("dvc").write_text(
        f"import subprocess, sys\nsubprocess.run(['sh', '-c', '{sys.executable} stage.py split@planes; true'])\n"
    )
    parent = subprocess.Popen([sys.executable, "dvc", "repro"], stderr=subprocess.DEVNULL)
    _until(Path("started").exists)
    assert not Path("cleared").exists()
    parent.send_signal(number)
    parent.wait()
    _until(Path("cleared").exists)


def test_a_stage_that_no_engine_runs_outlives_its_parent():
    Path("parent.py").write_text(
        f"import subprocess, time\nsubprocess.Popen(['{sys.executable}', 'stage.py', 'x'])\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "parent.py"], stderr=subprocess.DEVNULL)
    _until(Path("started").exists)
    stage = next(pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if engine._parent(pid) == parent.pid)  # noqa: PTH208
    parent.kill()
    parent.wait()
    time.sleep(0.3)
    assert not Path("cleared").exists()
    os.kill(stage, signal.SIGTERM)
    _until(Path("cleared").exists)


def test_the_same_stage_waits_and_another_does_not(capsys):
    process = _stage()
    with engine.alone("split@structures"):
        pass
    assert capsys.readouterr().out == ""
    started = time.monotonic()
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill {process.pid}"])
    with engine.alone("split@planes"):
        assert time.monotonic() - started >= 0.4
    assert capsys.readouterr().out == "split@planes: waiting for an earlier run of this stage to end\n"
    process.communicate()
    killer.wait()


def test_the_next_run_says_that_the_last_was_killed_and_the_one_after_does_not(capsys):
    process = _stage()
    process.kill()
    process.communicate()
    for said in ("split@planes: its last run was killed; it starts again\n", ""):
        with engine.alone("split@planes"):
            pass
        assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python /x/.venv/bin/dvc repro", "dvc"),
        ("/x/.venv/bin/python3 -m dvc repro", "dvc"),
        ("/x/.venv/bin/python /x/.venv/bin/snakemake --cores 2", "snakemake"),
        ("python -m sonotrace pull dvc", None),
        ("python -m pytest dvc", None),
        ("sh -c dvc\\ repro", None),
        ("", None),
    ],
)
def test_an_engine_is_known_by_its_command(command, expected):
    assert engine_of(command.split()) == expected


def test_a_checkout_is_found_from_the_folders_below_it(tmp_path):
    assert checkout_around(tmp_path) is None
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "params.yaml").touch()
    (tmp_path / "a/b").mkdir(parents=True)
    assert checkout_around(tmp_path / "a/b") == tmp_path
