"""Images unlike the training images score high; most of those that are like them stay below the threshold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.models.refusal import COVERAGE, DIRECTIONS, Scope, threshold

FEATURES = 64
CENTRES = 4 * np.eye(FEATURES)[:4]
KERNEL, BIAS = CENTRES.T.astype(np.float32), np.zeros(4, np.float32)
"""Of a last layer that knows four classes, one along each of the first four features."""


def _features(seed, count=80, spread=0.3):
    random = np.random.default_rng(seed)
    return CENTRES[np.arange(count) % 4] + random.normal(0, spread, (count, FEATURES))


def _scope(features):
    return Scope.fit(features, KERNEL, BIAS)


@given(st.lists(st.floats(0, 100), min_size=19, max_size=300))
def test_the_threshold_keeps_its_share_of_what_it_was_fitted_on(scores):
    scores = np.array(scores)
    assert (scores <= threshold(scores)).mean() >= COVERAGE


@given(st.integers(0, 18))
def test_too_few_images_refuse_nothing(count):
    assert threshold(np.zeros(count)) == math.inf


def test_the_threshold_keeps_its_share_of_further_images_on_average():
    random = np.random.default_rng(1)
    kept = [(random.random(100) <= threshold(random.random(40))).mean() for _ in range(500)]
    assert COVERAGE - 0.01 < np.mean(kept) < COVERAGE + 0.02


@given(st.integers(0, 1000))
def test_features_in_other_directions_score_higher_than_held_out_images(seed):
    scope, held_out = _scope(_features(seed)), _features(seed + 1)
    elsewhere = held_out + 4 * np.eye(FEATURES)[40]
    assert (scope.score(elsewhere) > scope.score(held_out)).mean() > 0.9
    assert np.median(scope.score(elsewhere)) > threshold(scope.score(held_out))


@given(st.integers(0, 1000), st.floats(0.1, 0.9))
def test_the_less_certain_the_classes_the_higher_the_score(seed, share):
    """Shorter features have smaller logits and the same direction."""
    scope, held_out = _scope(_features(seed)), _features(seed + 1)
    assert scope.outside(share * held_out) == pytest.approx(scope.outside(held_out))
    assert (scope.score(share * held_out) > scope.score(held_out)).all()


def test_a_virtual_class_is_as_large_as_the_others_on_the_training_images():
    features = _features(2)
    scope = _scope(features)
    assert scope.scale * scope.outside(features).mean() == pytest.approx(
        scope.logits(features).max(axis=1).mean(), 1e-3
    )
    shifted = Scope.fit(features, KERNEL + np.float32(3), BIAS - np.float32(5))
    assert shifted.score(features) == pytest.approx(scope.score(features), abs=1e-3), "probabilities are the same too"


@pytest.mark.parametrize("count", [2, DIRECTIONS, 200])
def test_it_is_learned_from_few_images_too_and_from_features_that_do_not_vary(count):
    assert np.isfinite(_scope(_features(3, count)).score(_features(4))).all()
    assert np.isfinite(_scope(np.ones((count, FEATURES))).score(_features(4))).all()
    assert np.isfinite(_scope(_features(5)).score(np.zeros((2, FEATURES)))).all()


def test_it_comes_back_from_its_arrays():
    features = _features(6).astype(np.float32)
    scope = _scope(features)
    arrays = scope.arrays()
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert (Scope.from_arrays(arrays).score(features) == scope.score(features)).all()
