"""Scores of planes agree with scikit-learn and stand under the right names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from sonotrace.kinds.planes import PLANES
from sonotrace.scores.planes import area_under_roc, curves, scores


def _random(seed, count=60):
    random = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(4), random.integers(0, 4, count - 4)])
    raw = random.random((count, 4)) ** 2 + 0.4 * np.eye(4)[truth]
    return truth, raw / raw.sum(axis=1, keepdims=True)


@given(st.integers(0, 10_000), st.integers(5, 80))
def test_scores_agree_with_scikit_learn(seed, count):
    truth, probabilities = _random(seed, count)
    predicted = probabilities.argmax(axis=1)
    found = scores(truth, probabilities, PLANES)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, predicted))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))
    assert found["loss"] == pytest.approx(metrics.log_loss(truth, probabilities, labels=range(4)))
    assert found["roc_auc"] == pytest.approx(
        metrics.roc_auc_score(truth, probabilities, multi_class="ovr", average="macro")
    )
    each = metrics.precision_recall_fscore_support(truth, predicted, labels=range(4), zero_division=0)
    for kind, values in zip(("precision", "recall", "f1"), each[:3], strict=True):
        for name, value in zip(PLANES, values, strict=True):
            assert found[f"{kind}.{name}"] == pytest.approx(value)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=30))
def test_the_area_under_the_curve_counts_ties_as_scikit_learn_does(rows):
    positive, values = (np.array(column) for column in zip(*rows, strict=True))
    found = area_under_roc(positive, values / 4)
    if positive.all() or not positive.any():
        assert np.isnan(found)
    else:
        assert found == pytest.approx(metrics.roc_auc_score(positive, values))


@pytest.mark.parametrize("order", [PLANES, PLANES[::-1], ("thorax", "abdomen", "femur", "brain")])
def test_a_column_counts_for_the_plane_that_names_it(order):
    truth_names = ["brain"] * 3 + ["femur"] * 2 + ["thorax"] * 4 + ["abdomen"]
    called = ["brain"] * 3 + ["femur", "brain"] + ["thorax"] * 2 + ["abdomen"] * 2 + ["femur"]
    truth = np.array([order.index(name) for name in truth_names])
    probabilities = np.full((10, 4), 0.1)
    probabilities[range(10), [order.index(name) for name in called]] = 0.7
    found = scores(truth, probabilities, order)
    assert [found[f"recall.{name}"] for name in ("brain", "femur", "thorax", "abdomen")] == [1, 0.5, 0.5, 0]
    assert [found[f"precision.{name}"] for name in ("brain", "femur", "thorax", "abdomen")] == [0.75, 0.5, 1, 0]
    assert found["accuracy"] == 0.6


def test_a_plane_that_does_not_occur_is_left_out_of_the_means():
    truth = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.7, 0.1, 0.1, 0.1], [0.2, 0.5, 0.2, 0.1], [0.1, 0.7, 0.1, 0.1], [0.1, 0.2, 0.6, 0.1]])
    found = scores(truth, probabilities, PLANES)
    assert found["balanced_accuracy"] == 0.5
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert np.isnan([found["recall.femur"], found["f1.femur"], found["recall.thorax"], found["precision.thorax"]]).all()
    assert found["precision.femur"] == 0
    assert found["roc_auc"] == pytest.approx((1 + 3 / 4) / 2)


def test_one_plane_alone_has_no_roc_auc_and_no_curve():
    probabilities = np.full((3, 4), 0.25)
    assert np.isnan(scores(np.zeros(3, int), probabilities, PLANES)["roc_auc"])
    roc, pr = curves(np.zeros(3, int), probabilities, PLANES)
    assert roc.empty
    assert pr.empty


def test_a_probability_of_zero_costs_a_finite_loss():
    found = scores(np.array([0, 1]), np.array([[0.0, 1, 0, 0], [0, 1, 0, 0]]), PLANES)
    assert found["loss"] == pytest.approx(-np.log(1e-7) / 2)


def test_curves_have_the_areas_that_scikit_learn_finds():
    truth, probabilities = _random(5, 200)
    roc, pr = curves(truth, probabilities, PLANES)
    assert list(roc.columns) == ["class", "false_positive_rate", "true_positive_rate"]
    assert list(pr.columns) == ["class", "recall", "precision"]
    for index, name in enumerate(PLANES):
        points = roc[roc["class"] == name]
        area = metrics.auc(points["false_positive_rate"], points["true_positive_rate"])
        assert area == pytest.approx(metrics.roc_auc_score(truth == index, probabilities[:, index]), abs=1e-4)
        assert pr[pr["class"] == name]["recall"].max() == 1
