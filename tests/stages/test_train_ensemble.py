"""The ensemble answers with the mean of the folds' nets, and is measured on those they have not seen."""

import json
import shutil
import subprocess
import sys

import folded as folded_run
import pandas as pd
import pytest

from sonotrace.stages.train_ensemble import together
from sonotrace.tables import read_table

MEAN = """
from pathlib import Path

import numpy as np

from sonotrace.models.files import read_keras

def said(path, images):
    return read_keras(path.read_bytes(), path)[0].predict_on_batch(images)

images = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 1)).astype(np.float32)
paths = [Path(f"models/folds/planes/{fold}-1.keras") for fold in (1, 2)]
mean = np.mean([said(path, shown) for path in paths for shown in (images, images[:, :, ::-1])], axis=0)
whole = Path("models/planes_ensemble.keras")
assert np.abs(said(whole, images) - mean).max() < 1e-6
assert np.ptp(mean) > 0.01
entries = [read_keras(path.read_bytes(), path)[1] for path in [*paths, whole]]
assert entries[0] == entries[1] == {key: entries[2][key] for key in entries[0]}
assert 0 < entries[2]["judgement"]["temperature"] < 20
"""


def test_it_answers_with_the_mean_over_nets_and_mirror_images(folded):
    subprocess.run([sys.executable, "-c", MEAN], cwd=folded, check=True)


def test_scores_are_those_of_the_nets_that_have_not_seen_the_patient(folded):
    found = read_table(folded / "data/planes/ensemble/predictions.csv")
    unseen = found[found["side"] != "test"]
    headline = json.loads((folded / "metrics/planes_folds.json").read_text())
    assert headline["n_images"] == len(unseen) == 81
    assert headline["accuracy"] == pytest.approx((unseen["label"] == unseen["predicted"]).mean(), abs=1e-4)
    assert headline["accuracy"] > 0.9  # all but the wrong labels
    by_fold = headline["accuracy_by_fold"]
    sizes = unseen["fold"].astype(int).value_counts()
    assert sum(by_fold[str(fold)] * sizes[fold] for fold in (1, 2)) / 81 == pytest.approx(
        headline["accuracy"], abs=1e-3
    )
    assert headline["accuracy_by_seed"] == {"1": headline["accuracy"]}
    detail = json.loads((folded / "metrics/planes_folds_detail.json").read_text())
    assert detail["overall"]["accuracy"]["low"] <= headline["accuracy"] <= detail["overall"]["accuracy"]["high"]


def test_what_other_folds_left_goes_and_the_bytes_are_the_same(folded, tmp_path):
    shutil.copytree(folded, tmp_path / "again")
    models = tmp_path / "again/models/folds/planes"
    shutil.copyfile(models / "1-1.keras", models / "3-1.keras")
    shutil.copytree(tmp_path / "again/data/planes/folds/1-1", tmp_path / "again/data/planes/folds/3-1")
    (tmp_path / "again/models/planes_ensemble.keras").unlink()
    folded_run.run(tmp_path / "again", "train_ensemble", "planes")
    assert sorted(path.name for path in models.iterdir()) == ["1-1.keras", "2-1.keras"]
    assert sorted(path.name for path in (tmp_path / "again/data/planes/folds").iterdir()) == ["1-1", "2-1"]
    for name in ("models/planes_ensemble.keras", "data/planes/ensemble/predictions.csv", "metrics/planes_folds.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folded / name).read_bytes()


def test_several_seeds_are_averaged_image_by_image():
    rows = {"image": "a", "patient": "1", "label": "brain", "side": "val", "fold": "1", "predicted": "femur"}
    tables = {
        (1, 1): pd.DataFrame([rows | {"brain": 0.2, "femur": 0.8}]),
        (1, 2): pd.DataFrame([rows | {"brain": 0.9, "femur": 0.1}]),
    }
    (row,) = together(tables, ("brain", "femur")).to_dict("records")
    assert (row["predicted"], row["brain"], row["femur"]) == ("brain", 0.55, 0.45)
