"""Probabilities that mean what they say score 0; certain images count first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.scores.calibration import (
    BINS,
    error_at_coverage,
    expected_calibration_error,
    reliability,
    risk_coverage,
    scores,
)

rows = st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=40)


def _columns(rows):
    confidence, correct = (np.array(column) for column in zip(*rows, strict=True))
    return confidence / 100, correct


@given(rows)
def test_the_calibration_error_is_the_bins_distance_weighted_by_their_images(rows):
    confidence, correct = _columns(rows)
    found = expected_calibration_error(confidence, correct)
    assert 0 <= found <= 1
    table = reliability(confidence, correct)
    gaps = (table["mean_confidence"] - table["accuracy"]).abs()
    assert found == pytest.approx((gaps * table["n"]).sum() / len(rows), abs=1e-5)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=9))
def test_a_model_that_is_right_as_often_as_it_says_has_no_calibration_error(groups):
    confidence = np.concatenate([np.full(10 * times, tenths / 10) for tenths, times in groups])
    correct = np.concatenate([np.arange(10 * times) < tenths * times for tenths, times in groups])
    assert expected_calibration_error(confidence, correct) == pytest.approx(0, abs=1e-9)


def test_a_model_that_is_certain_and_always_wrong_has_the_largest_error_of_all():
    assert expected_calibration_error(np.ones(5), np.zeros(5, bool)) == 1
    assert scores(np.zeros(3, int), np.eye(4)[[1, 2, 3]]) == {"ece": 1, "brier": 2, "error_at_90_coverage": 1}


def test_the_brier_score_is_summed_over_the_classes():
    probabilities = np.array([[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25]])
    expected = np.square(probabilities - np.eye(4)[[0, 2]]).sum(axis=1).mean()
    assert scores(np.array([0, 2]), probabilities)["brier"] == pytest.approx(expected)


@given(rows)
def test_at_full_coverage_the_error_is_that_of_all_images(rows):
    confidence, correct = _columns(rows)
    assert error_at_coverage(confidence, correct, 1) == pytest.approx(1 - correct.mean())
    last = risk_coverage(confidence, correct).iloc[-1]
    assert (last["coverage"], last["error"]) == (1, pytest.approx(1 - correct.mean(), abs=1e-6))


@given(rows, st.randoms(use_true_random=False), st.sampled_from([0.1, 0.5, 0.9]))
def test_the_order_of_the_images_does_not_matter(rows, random, coverage):
    shuffled = random.sample(rows, len(rows))
    assert error_at_coverage(*_columns(rows), coverage) == pytest.approx(
        error_at_coverage(*_columns(shuffled), coverage)
    )
    assert risk_coverage(*_columns(rows)).equals(risk_coverage(*_columns(shuffled)))
    assert reliability(*_columns(rows)).round(5).equals(reliability(*_columns(shuffled)).round(5))


def test_the_least_certain_images_are_left_out_first():
    confidence, correct = np.linspace(0.5, 0.95, 10), np.arange(10) > 0
    assert error_at_coverage(confidence, correct, 0.9) == 0
    assert error_at_coverage(confidence, ~correct, 0.9) == 1
    curve = risk_coverage(confidence, correct)
    assert list(curve["coverage"]) == pytest.approx(np.arange(1, 11) / 10)
    assert list(curve["error"]) == [0] * 9 + [0.1]


def test_images_as_certain_as_the_last_one_count_in_part():
    confidence, correct = np.array([0.9, 0.5, 0.5]), np.array([True, False, True])
    assert error_at_coverage(confidence, correct, 2 / 3) == pytest.approx(0.25)
    assert list(risk_coverage(confidence, correct)["coverage"]) == pytest.approx([1 / 3, 1], abs=1e-6)


def test_bins_are_numbered_from_one_and_only_those_with_images_are_listed():
    table = reliability(np.array([0.0, 0.5, 1.0, 0.99]), np.array([False, True, True, False]))
    assert list(table["bin"]) == [1, 8, BINS]
    assert list(table["n"]) == [1, 1, 2]
    assert list(table["accuracy"]) == [0, 1, 0.5]
