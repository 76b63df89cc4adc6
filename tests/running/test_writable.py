"""What a run could not write stops it before it begins, with the file and a remedy; what it need not write does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sonotrace import cli

CALLED = """
import sys
from pathlib import Path
from sonotrace.errors import SonotraceError
from sonotrace.running.writable import check, runs
try:
    line = ["python", "/bin/" + sys.argv[1], *sys.argv[2:]]
    if runs(line):
        check(Path.cwd(), line)
except SonotraceError as error:
    print(error)
"""
UNPRIVILEGED = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
"""Root may write everything; without its capabilities, it may what its owner may."""


def _stage(outs, deps=()):
    some = {"deps": [{"path": path, "md5": "0" * 32} for path in deps]} if deps else {}
    return {"cmd": "x", **some, "outs": [{"path": path, "md5": "0" * 32} for path in outs]}


@pytest.fixture
def top(tmp_path):
    """Return a checkout with the outputs of three stages, of which the second needs the first."""
    stages = {
        "pull@planes": _stage(["data/planes/pull/images"]),
        "split@planes": _stage(["data/planes/split/split.csv"], ["data/planes/pull/images"]),
        "report": _stage(["reports/index.html"]),
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    for folder in (".dvc/tmp", ".dvc/cache/files/md5", ".sonotrace/running", "data/planes/pull/images", "reports"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/planes/split").mkdir()
    (tmp_path / "data/planes/split/split.csv").touch()
    return tmp_path


@pytest.fixture
def said(top):
    """Return what is said before a command line runs, while some path is read-only."""

    def say(path, command):
        at = top / path
        before = at.stat().st_mode
        at.chmod(0o555 if at.is_dir() else 0o444)
        done = subprocess.run(
            [*UNPRIVILEGED, sys.executable, "-c", CALLED, *command.split()],
            cwd=top,
            env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        at.chmod(before)
        assert done.stderr == ""
        return done.stdout.strip()

    return say


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("dvc.lock", "0444"),
        *((path, "0555") for path in (".dvc/tmp", ".dvc/cache", ".dvc/cache/files/md5", ".sonotrace/running")),
        *((path, "0555") for path in ("data/planes/pull", "data/planes/split")),
    ],
)
def test_what_a_run_could_not_write_is_named_with_a_remedy(said, path, mode):
    assert said(path, "dvc repro split@planes") == (
        f"{path}: not writable (mode {mode}); `chmod u+rwX {path}`, then run the same command again"
    )


@pytest.mark.parametrize(
    "command",
    [
        *("dvc repro split@planes", "snakemake --cores 2 split_planes", "dvc repro data/planes/split/split.csv"),
        *("dvc status", "dvc repro --dry", "snakemake -n", "dvc exp run --queue", "dvc checkout"),
    ],
)
def test_what_a_run_does_not_write_does_not_stop_it(said, command):
    assert said("reports", command) == ""


@pytest.mark.parametrize(
    "command", ["dvc repro", "dvc exp run", "dvc repro --downstream pull@planes", "snakemake --cores 2"]
)
def test_where_more_than_one_stage_may_run_all_outputs_count(said, command):
    assert said("reports", command).startswith("reports: not writable")


def test_a_stage_alone_does_not_need_to_write_what_it_comes_from(said):
    assert said("data/planes/pull", "dvc repro --single-item split@planes") == ""
    assert said("data/planes/split", "dvc repro -s split@planes").startswith("data/planes/split: not writable")


def test_a_read_only_folder_of_an_output_is_opened_by_dvc(said):
    assert said("data/planes/pull/images", "dvc repro") == ""


@pytest.mark.parametrize("content", ["", "not: [a, lock"])
def test_without_a_lock_that_can_be_read_only_the_tools_own_files_count(top, said, content):
    (top / "dvc.lock").write_text(content)
    assert said("reports", "dvc repro") == ""
    assert said(".dvc/cache", "dvc repro").startswith(".dvc/cache: not writable")
