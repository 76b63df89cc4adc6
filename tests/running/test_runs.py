"""A run's record says what it took and on what, and names neither the machine nor its user."""

import hashlib
import json
import os
import socket
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from sonotrace.errors import SonotraceError
from sonotrace.running import runs

MODEL = Path("models/planes.keras")


def _md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SONOTRACE_THREADS", raising=False)


def _train(content=b"model"):
    with runs.recorded("train_cnn@planes"):
        MODEL.parent.mkdir(exist_ok=True)
        MODEL.write_bytes(content)
        block = np.ones(40_000_000)
        time.sleep(0.2)
        assert block.sum() == 40_000_000


def _lock(md5):
    stages = {"train_cnn@planes": {"cmd": "x", "outs": [{"path": str(MODEL), "md5": md5}]}}
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def test_a_record_says_what_a_run_took_and_on_what(tmp_path, monkeypatch):
    monkeypatch.setenv("SONOTRACE_THREADS", "3")
    _train()
    text = (tmp_path / ".sonotrace/runs/train_cnn@planes.json").read_text()
    record = json.loads(text)
    assert record["stage"] == "train_cnn@planes"
    assert 0.2 <= record["wall_s"] < 60
    assert 0 < record["cpu_s"] < 60
    assert 320 <= record["peak_mb"] < 64_000
    assert (record["threads"], record["cores"]) == (3, len(os.sched_getaffinity(0)))
    assert record["libraries"]["numpy"] == np.__version__
    assert record["libraries"]["pandas"] == pd.__version__
    assert record["builds"]["numpy_simd"]
    assert record["made"] == {str(MODEL): _md5(b"model")}
    assert record["cpu"]
    for private in (socket.gethostname(), str(tmp_path), str(Path.home()) + "/"):
        assert private not in text


def test_a_run_that_fails_leaves_the_record_of_the_last_good_one(tmp_path):
    _train()
    path = tmp_path / ".sonotrace/runs/train_cnn@planes.json"
    before = path.read_bytes()
    with pytest.raises(SonotraceError, match="no images"), runs.recorded("train_cnn@planes"):
        raise SonotraceError("no images")
    assert path.read_bytes() == before


def test_a_shard_is_told_by_the_list_of_its_packs():
    for stage in ("prepare", "augment"):
        path = Path(f"data/planes/{stage}_shard/2/packs.csv")
        with runs.recorded(f"{stage}_shard@planes-2"):
            path.parent.mkdir(parents=True)
            path.write_text(stage)
    assert {record["stage"]: record["made"] for record in runs.read_all()} == {
        "prepare_shard@planes-2": {"data/planes/prepare_shard/2/packs.csv": _md5(b"prepare")},
        "augment_shard@planes-2": {"data/planes/augment_shard/2/packs.csv": _md5(b"augment")},
    }


def test_data_sets_have_records_of_their_own_and_are_told_by_their_tables():
    for data_set in ("planes", "structures"):
        with runs.recorded(f"split@{data_set}"):
            Path(f"data/{data_set}/split").mkdir(parents=True)
            Path(f"data/{data_set}/split/split.csv").write_text(data_set)
    found = {record["stage"]: record["made"] for record in runs.read_all()}
    assert found == {
        f"split@{name}": {f"data/{name}/split/split.csv": _md5(name.encode())} for name in ("planes", "structures")
    }


def test_a_record_of_another_run_than_the_locks_is_told():
    _train()
    _lock(_md5(b"model"))
    assert [record["current"] for record in runs.read_all()] == [True]
    assert "not what" not in "".join(runs.lines())
    _lock(_md5(b"a later one"))
    assert [record["current"] for record in runs.read_all()] == [False]
    _, line, place = runs.lines()
    assert line.startswith("train_cnn@planes ")
    assert line.endswith("not what dvc.lock names now")
    assert place.startswith("train_cnn@planes: ")
    assert f"numpy {np.__version__}" in place


def test_a_record_that_cannot_be_written_costs_no_run(tmp_path, capsys):
    (tmp_path / ".sonotrace").write_text("in the way")
    _train()
    assert MODEL.read_bytes() == b"model"
    assert "train_cnn@planes: note: this run is not recorded" in capsys.readouterr().out


def test_no_record_and_a_broken_one_are_said(tmp_path):
    with pytest.raises(SonotraceError, match="no run is recorded here"):
        runs.read_all()
    (tmp_path / ".sonotrace/runs").mkdir(parents=True)
    (tmp_path / ".sonotrace/runs/split@planes.json").write_text("{")
    with pytest.raises(SonotraceError, match=r"split@planes\.json: not a record of a run; delete it"):
        runs.read_all()


def test_a_failed_stage_knows_the_command_that_restores_its_outputs():
    assert runs.restoring("split@planes") == ""
    outs = ["data/planes/split/split.csv", "reports/planes/split.json", "reports/planes/test_patients.csv"]
    entries = {
        "split@planes": [{"path": path, "md5": "1" * 32} for path in outs],
        "report": [{"path": "reports/index.html", "md5": "2" * 32}],
    }
    stages = {name: {"cmd": "x", "outs": outs} for name, outs in entries.items()}
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    assert runs.restoring("split@planes") == "dvc checkout split@planes && git checkout -- reports/planes/split.json"
    assert runs.restoring("report") == "dvc checkout report"
    assert runs.restoring("split@plane") == ""
    Path("dvc.lock").write_text("cut off: [")
    assert runs.restoring("report") == ""
