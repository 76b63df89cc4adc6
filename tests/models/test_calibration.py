"""A temperature makes probabilities mean what they say, and changes no answer."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sonotrace.models.calibration import (
    LEAST_IMAGES,
    RANGE,
    calibrated,
    calibrated_by_others,
    fit_temperature,
    smoothed,
)

seeds, sizes = st.integers(0, 10_000), st.integers(LEAST_IMAGES, 200)


def _images(seed, count, spread=2.0, right=0.8):
    """Return probabilities, shape (count, 4), and the truth, which is the most probable class in `right` of them."""
    random = np.random.default_rng(seed)
    powers = np.exp(random.normal(0, spread, (count, 4)))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    wrong = random.random(count) >= right
    return probabilities, np.where(wrong, random.integers(0, 4, count), probabilities.argmax(axis=1))


def _cross_entropy(probabilities, targets):
    return -(targets * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1).mean()


@given(seeds, sizes, st.floats(0.1, 10))
def test_a_temperature_keeps_the_order_of_the_classes(seed, count, temperature):
    probabilities, _ = _images(seed, count)
    found = calibrated(probabilities, temperature)
    assert found.sum(axis=1) == pytest.approx(1)
    order = np.argsort(probabilities, axis=1)
    assert (np.diff(np.take_along_axis(found, order, axis=1), axis=1) >= 0).all()


@given(seeds, sizes, st.floats(0.2, 8), st.floats(0.3, 1))
def test_no_other_temperature_fits_the_images_better_than_the_fitted_one(seed, count, spread, right):
    probabilities, truth = _images(seed, count, spread, right)
    targets = smoothed(truth, 4)
    fitted = fit_temperature(probabilities, truth)
    best = _cross_entropy(calibrated(probabilities, fitted), targets)
    for other in (1.0, fitted * 0.9, fitted * 1.1, *RANGE):
        if RANGE[0] <= other <= RANGE[1]:
            assert best <= _cross_entropy(calibrated(probabilities, other), targets) + 1e-9


@given(seeds, st.floats(0.3, 5))
def test_the_temperature_that_probabilities_were_made_with_is_found_again(seed, temperature):
    """Truth is drawn from the probabilities, so that these are calibrated before the temperature is applied."""
    random = np.random.default_rng(seed)
    honest, _ = _images(seed, 4000, spread=1.5)
    truth = (random.random((4000, 1)) > honest.cumsum(axis=1)).sum(axis=1).clip(0, 3)
    assert fit_temperature(calibrated(honest, 1 / temperature), truth) == pytest.approx(temperature, rel=0.15)


@given(seeds, sizes)
def test_without_an_error_certainty_stays_below_one_and_grows_with_the_images_seen(seed, count):
    probabilities, truth = _images(seed, count, spread=3, right=1)
    few, many = (fit_temperature(np.tile(probabilities, (times, 1)), np.tile(truth, times)) for times in (1, 10))
    assert RANGE[0] < many < few
    assert calibrated(probabilities, few).max(axis=1).mean() < 1 - 0.1 / (count + 1)


def test_the_range_holds_where_no_temperature_is_best():
    sure = np.tile([0.97, 0.01, 0.01, 0.01], (40, 1))
    assert fit_temperature(sure, np.full(40, 1)) == pytest.approx(RANGE[1], rel=1e-3)
    barely = np.tile([0.2500003, 0.2499999, 0.2499999, 0.2499999], (40, 1))
    assert fit_temperature(barely, np.zeros(40, int)) == pytest.approx(RANGE[0], rel=1e-3)


@given(seeds, st.integers(1, LEAST_IMAGES - 1))
def test_too_few_images_change_nothing(seed, count):
    probabilities, truth = _images(seed, count)
    assert fit_temperature(probabilities, truth) == 1
    assert calibrated(probabilities, 1.0) is probabilities


@given(seeds)
def test_a_probability_of_zero_is_no_obstacle(seed):
    probabilities, truth = _images(seed, 50)
    hard = np.eye(4)[probabilities.argmax(axis=1)]
    assume((hard.argmax(axis=1) != truth).any())
    assert np.isfinite(calibrated(hard, fit_temperature(hard, truth))).all()


@given(st.integers(0, 2**32 - 1))
def test_a_folds_calibration_knows_nothing_of_its_own_labels(seed):
    random = np.random.default_rng(seed)
    probabilities, truth = random.dirichlet([1, 1, 1], 120), random.integers(0, 3, 120)
    folds = np.repeat(["1", "2", "3"], 40)
    own = folds == "2"
    altered = np.where(own, probabilities.argmax(axis=1), truth)
    before, after = (calibrated_by_others(probabilities, labels, folds) for labels in (truth, altered))
    assert (before[own] == after[own]).all()
    assert (before[~own] != after[~own]).any()
    assert after.sum(axis=1) == pytest.approx(1)
