"""A working directory with the shipped parameters, and settings for laws and threads."""

import fcntl
import os
import shutil
from pathlib import Path

import folded as folded_run
import folded_boxes
import pytest
import recorded_run
import yaml
from hypothesis import settings

# Idle threads would otherwise spin: a training of YOLO on a busy machine took six times the CPU time.
os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
# As the command line does: in a new home folder, Ultralytics would write into what a test reads.
os.environ["YOLO_VERBOSE"] = "false"
# Outside a checkout, DVC would report its use.
os.environ["DVC_NO_ANALYTICS"] = "1"

settings.register_profile("fast", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("fast")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Stand in an empty folder that holds only the shipped params.yaml and table of withdrawals."""
    top = Path(__file__).parents[1]
    shutil.copyfile(top / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "data").mkdir()
    for table in ("corrections.csv", "withdrawn.csv"):
        shutil.copyfile(top / "data" / table, tmp_path / "data" / table)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def set_param(work):
    """Change one value of params.yaml in the working directory, by its dotted key."""

    def change(key, value):
        content = yaml.safe_load((work / "params.yaml").read_text())
        *parents, last = key.split(".")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
        (work / "params.yaml").write_text(yaml.safe_dump(content))

    return change


@pytest.fixture
def recorded(tmp_path):
    """Return a small repository that recorded a run (`recorded_run`)."""
    return recorded_run.make(tmp_path / "recorded")


@pytest.fixture(scope="module")
def ultralytics_offline(tmp_path_factory):
    """Keep Ultralytics from the network and from the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_OFFLINE", "true")
        patch.setenv("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("ultralytics")))
        patch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
        yield


def _made_once(tmp_path_factory, name, make):
    """Return a folder that `make` filled; all test processes share it, the one that needs it first makes it."""
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        top = top.parent
    with (top / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (top / f"{name}.ready").exists():
            make(top / name)
            (top / f"{name}.ready").touch()
    return top / name


@pytest.fixture(scope="session")
def folded(tmp_path_factory):
    """Return a folder in which the folds of a small data set were trained (`folded`); leave it alone."""
    return _made_once(tmp_path_factory, "folded", folded_run.train)


@pytest.fixture(scope="session")
def folded_structures(tmp_path_factory):
    """Return a folder in which detectors were trained on the folds of a small data set; leave it alone."""
    return _made_once(tmp_path_factory, "folded_structures", folded_boxes.train)
