"""Scores of a classifier that should refuse: AUROC, false positives, and what it accepts."""

import numpy as np
import pandas as pd
import pytest

from sonotrace.params.evaluate_scope import EvaluateScope
from sonotrace.scores.out_of_scope import answers, metrics, scores

PARAMS = EvaluateScope(
    model="models/planes.keras", trained_on="planes", generated=0, bootstrap=100, seed=1, threads=1, device="cpu"
)


def _scored(inside, outside, names=()):
    """Score lists of scope scores: `outside` has one per label."""
    values = [*inside, *(value for one in outside.values() for value in one)]
    labels = [""] * len(inside) + [label for label, one in outside.items() for _ in one]
    is_inside = np.array([not label for label in labels])
    scope = np.array(values, float)
    return scores(scope, (scope > 0.5).astype(float), is_inside, np.array(labels, object), list(names or outside))


def test_the_threshold_of_fpr95_keeps_95_percent_of_the_images_in_scope():
    inside = np.arange(1, 101)  # 95 of them are at least 6
    found = _scored(inside, {"hip": [5, 5.5, 6, 90], "cervix": [0]})
    assert found["fpr95.hip"] == 0.5
    assert found["fpr95.cervix"] == 0
    assert found["fpr95"] == pytest.approx(0.4)


def test_each_label_is_told_from_the_images_in_scope_alone():
    found = _scored([0.6, 0.8], {"hip": [0.1, 0.2], "cervix": [0.9]})
    assert found["roc_auc.hip"] == 1
    assert found["roc_auc.cervix"] == 0
    assert found["roc_auc"] == pytest.approx(4 / 6)
    assert (found["accepted.hip"], found["accepted.cervix"]) == (0, 1)
    assert found["accepted_in_scope"] == 1


def test_a_resample_without_a_label_leaves_it_undefined():
    found = _scored([0.6], {"hip": [0.1]}, names=("hip", "cervix"))
    assert np.isnan(found["roc_auc.cervix"])
    assert np.isnan(found["fpr95.cervix"])


def _table():
    rows = [("planes", f"p{at}", f"{at}", "brain", -0.8, "true") for at in range(20)]
    rows += [
        ("hips", f"h{at}", f"h{at}", "hip", 0.1 if at else -0.95, "true" if at == 0 else "false") for at in range(8)
    ]
    return pd.DataFrame(rows, columns=["data_set", "image", "patient", "label", "scope", "in_scope"]).assign(
        predicted="brain", brain=0.7, femur=0.3
    )


def test_the_files_have_each_label_with_its_interval():
    headline, detail = metrics(_table(), None, None, PARAMS)
    assert headline["roc_auc"] == round(7 / 8, 4)
    assert headline["accepted"] == round(1 / 8, 4)
    hip = detail["per_label"]["hip"]
    assert hip["n"] == 8
    assert hip["fpr95"]["low"] <= hip["fpr95"]["value"] == 0.125 <= hip["fpr95"]["high"]


def test_a_model_that_cannot_refuse_is_judged_by_its_highest_probability():
    for table in (_table().drop(columns=["scope", "in_scope"]), _table().assign(scope=np.nan, in_scope="true")):
        scope, accepted = answers(table)
        assert set(scope) == {0.7}
        assert np.isnan(accepted).all()
