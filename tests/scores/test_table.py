"""The printed tables hold what the metric files hold."""

import json

import pytest
import yaml

from sonotrace.scores.table import show

SCORE = {"value": 0.75, "low": 0.5, "high": 1.0}
DETAIL = {"interval": "95 %", "n_images": 9, "n_patients": 5, "overall": {"accuracy": SCORE}, "per_plane": {}}
SPREAD = {"accuracy_by_fold": {"1": 0.7, "2": 0.8}, "accuracy_by_seed": {"1": 0.75}}


@pytest.fixture
def measured(work):
    params = yaml.safe_load((work / "params.yaml").read_text())
    params["folds"] |= {"data_sets": ["planes"], "box_data_sets": ["structures"], "numbers": [1, 2]}
    (work / "params.yaml").write_text(yaml.safe_dump(params))
    (work / "metrics").mkdir()
    for data_set in ("planes", "structures"):
        (work / f"metrics/{data_set}_detail.json").write_text(json.dumps(DETAIL))
        groups = {"scanner": {}, "site": {}, "label": {}, "worst": None}
        (work / f"metrics/{data_set}_groups.json").write_text(json.dumps(groups))
    (work / "metrics/planes_folds_detail.json").write_text(json.dumps(DETAIL | SPREAD))
    spread = {"map50_by_fold": {"1": 0.6, "2": None}, "map50_by_seed": {"1": 0.6}}
    (work / "metrics/structures_folds_detail.json").write_text(json.dumps(DETAIL | spread))
    return work


@pytest.mark.usefixtures("measured")
def test_folds_have_a_table_and_their_spread(capsys):
    show()
    printed = capsys.readouterr().out
    assert "planes, out of fold: 9 images, 5 patients" in printed
    assert "planes: 9 test images, 5 test patients" in printed
    assert "planes: accuracy by fold: 1: 0.700, 2: 0.800" in printed
    assert "structures: map50 by fold: 1: 0.600, 2: -" in printed
    assert "0.750" in printed
