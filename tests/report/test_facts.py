"""Facts are what the files say, each with its file, and files that are not there are left out."""

import contextlib
import json
import shutil

import pytest

from sonotrace.places import METRICS
from sonotrace.records.history import folder_md5
from sonotrace.records.store import md5_of
from sonotrace.report.facts import read


@pytest.fixture
def facts(checkout):
    with contextlib.chdir(checkout):
        return read()


def _named(facts, name):
    return next(one for one in facts.data_sets if one.name == name)


def test_scores_are_those_of_the_files(checkout, facts):
    for one in facts.data_sets:
        detail = json.loads((checkout / METRICS / f"{one.name}_detail.json").read_text())
        assert {s.name: [s.value, s.low, s.high] for s in one.overall} == {
            name: [found["value"], found["low"], found["high"]] for name, found in detail["overall"].items()
        }
        assert one.tested["images"] == detail["n_images"]


def test_each_kind_of_data_set_has_its_primary_score(facts):
    assert {one.name: one.primary.name for one in facts.data_sets} == {
        "planes": "macro_f1", "structures": "map50", "abroad": "macro_f1", "strange": "roc_auc",
    }  # fmt: skip


def test_cohorts_are_told_from_data_sets_that_are_learned_from(facts):
    assert [one.name for one in facts.data_sets if one.is_learned] == ["planes", "structures"]
    assert _named(facts, "abroad").gathered.trained_on == "planes"


def test_folds_changes_and_curves_are_there_where_they_were_measured(facts):
    planes = _named(facts, "planes")
    assert planes.folds.spread["by fold"] == {"1": 0.61, "2": 0.55}
    assert [group.name for group in planes.changes] == ["mirrored"]
    assert planes.curves[0].series["val/loss"] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert _named(facts, "structures").folds is None
    assert _named(facts, "abroad").curves == []


def test_every_file_has_its_hash_and_the_stage_that_wrote_it(checkout, facts):
    stages = {file.path: file.stage for file in facts.files}
    assert stages["metrics/planes_detail.json"] == "evaluate@planes"
    assert stages["metrics/planes_folds_detail.json"] == "train_ensemble@planes"
    assert stages["metrics/planes_validation.json"] == stages["plots/train_cnn/planes"] == "train_cnn@planes"
    assert stages["metrics/strange_detail.json"] == "evaluate_scope@strange"
    for file in facts.files:
        path = checkout / file.path
        if path.is_file():
            assert file.md5 == md5_of(path)
    plots = checkout / "plots/planes"
    own = {path.name: md5_of(path) for path in plots.iterdir()}
    assert facts.by_path["plots/planes"].md5 == folder_md5(own)


def test_a_run_without_plots_and_groups_still_has_facts(checkout, tmp_path):
    shutil.copytree(checkout, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare/plots")
    for path in (tmp_path / "bare/metrics").glob("*_groups.json"):
        path.unlink()
    with contextlib.chdir(tmp_path / "bare"):
        planes = _named(read(), "planes")
    assert (planes.plots, planes.curves, planes.groups, planes.worst) == ({}, [], {}, None)
    assert planes.overall
