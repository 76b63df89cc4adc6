"""Scores over all folds are those of the boxes that each fold's detector found in images that it had not seen."""

import json
import shutil

import folded
import numpy as np
import pandas as pd
import pytest

from sonotrace.kinds.structures import STRUCTURES
from sonotrace.params.evaluate import EvaluateStructures
from sonotrace.scores.structures import metrics, over_folds
from sonotrace.tables import read_table

PARAMS = EvaluateStructures(
    model="m.pt", trained_on="heads", bootstrap=100, seed=1, threads=1, device="cpu", confidence=0.25
)


def test_the_boxes_of_all_folds_are_measured_together(folded_structures):
    found = read_table(folded_structures / "data/structures/evaluate_folds/predictions.csv")
    parts = [read_table(folded_structures / f"data/structures/folds/{fold}-1/predictions.csv") for fold in (1, 2)]
    assert len(found) == sum(map(len, parts)) > 0
    assert set(found["fold"].astype(int)) == {1, 2}
    headline, detail, tight = (
        json.loads((folded_structures / f"metrics/structures_folds{ending}.json").read_text())
        for ending in ("", "_detail", "_localisation")
    )
    assert headline["n_images"] == tight["n_images"] == 20
    assert headline["n_patients"] == 10
    assert set(headline["map50_by_fold"]) == {"1", "2"}
    assert headline["map50_by_seed"] == {"1": headline["map50"]}
    overall = detail["overall"]["map50"]
    assert overall["low"] <= overall["value"] == headline["map50"] <= overall["high"]
    assert tight["recall_by_false_boxes"]["1"]["all"]["value"] == headline["recall_at_1_false_box"]


def test_what_other_folds_left_goes_and_the_bytes_are_the_same(folded_structures, tmp_path):
    top = shutil.copytree(folded_structures, tmp_path / "again")
    models = top / "models/folds/structures"
    shutil.copyfile(models / "1-1.pt", models / "3-1.pt")
    shutil.copytree(top / "data/structures/folds/1-1", top / "data/structures/folds/3-1")
    names = ("data/structures/evaluate_folds/predictions.csv", "metrics/structures_folds_detail.json")
    for name in names:
        (top / name).unlink()
    printed = folded.run(top, "evaluate_folds", "structures")
    assert "evaluate_folds: out of fold, mAP50 " in printed
    assert "on 20 images of 10 patients; " in printed
    assert sorted(path.name for path in models.iterdir()) == ["1-1.pt", "2-1.pt"]
    assert sorted(path.name for path in (top / "data/structures/folds").iterdir()) == ["1-1", "2-1"]
    for name in names:
        assert (top / name).read_bytes() == (folded_structures / name).read_bytes()


@pytest.mark.usefixtures("ultralytics_offline")
def test_with_several_seeds_each_score_is_the_mean_of_theirs():
    random = np.random.default_rng(1)
    images = [str(at) for at in range(12)]
    unseen = pd.DataFrame({"image": images, "patient": images, "fold": [1, 2] * 6})
    boxes = pd.DataFrame(
        [(image, STRUCTURES[at % 3], 10, 10, 30, 30) for at, image in enumerate(images)],
        columns=["image", "structure", "x0", "y0", "x1", "y1"],
    )
    tables = []
    for seed in (3, 8):
        moved = random.uniform(0, 8 * seed, len(boxes))
        table = boxes.assign(x0=10 + moved, x1=30 + moved, confidence=random.uniform(0, 1, len(boxes)), seed=seed)
        tables.append(table.assign(fold=unseen["fold"]))
    headline, detail = over_folds(pd.concat(tables), unseen, boxes, PARAMS)
    each = [metrics(table, unseen, boxes, PARAMS)[0] for table in tables]
    assert each[0]["map50"] != each[1]["map50"]
    assert headline["n_images"] == 12
    for score in ("map50", "map50_95", "recall", "recall_at_1_false_box"):
        assert headline[score] == pytest.approx(np.mean([one[score] for one in each]), abs=1e-4)
    assert headline["map50_by_seed"] == {"3": each[0]["map50"], "8": each[1]["map50"]}
    assert np.mean(list(headline["map50_by_seed"].values())) == pytest.approx(headline["map50"], abs=1e-4)
    assert detail["map50_by_fold"] == headline["map50_by_fold"]
