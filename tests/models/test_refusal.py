"""Images unlike the training images score high; most of those that are like them stay below the threshold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.models.refusal import COVERAGE, Scope, threshold

CENTRES = np.random.default_rng(0).normal(0, 4, (4, 12))


def _features(seed, count=80, move=0.0):
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    return CENTRES[labels] + random.normal(0, 1, (count, 12)) + move, labels


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
def test_images_of_another_kind_score_higher_than_held_out_images_of_the_known_classes(seed):
    scope = Scope.fit(*_features(seed))
    held_out, labels = _features(seed + 1)
    others = scope.score(held_out + np.random.default_rng(seed).choice([-8.0, 8.0], 12))
    assert others.min() > np.median(scope.score(held_out))
    assert scope.score(CENTRES[labels]).max() < np.median(scope.score(held_out))


@pytest.mark.parametrize("count", [8, 80])
def test_it_is_learned_from_fewer_images_than_features_too(count):
    scope = Scope.fit(*_features(3, count))
    known, _ = _features(4)
    assert np.isfinite(scope.score(known)).all()
    assert np.median(scope.score(known + 8)) > np.median(scope.score(known))


def test_features_that_do_not_vary_and_classes_without_images_are_no_obstacle():
    features, labels = _features(5)
    features[:, 3] = 7.0
    scope = Scope.fit(features[labels != 2], labels[labels != 2])
    assert np.isfinite(scope.score(features)).all()
    assert np.isfinite(Scope.fit(np.ones((6, 3)), np.arange(6) % 2).score(np.ones((2, 3)))).all()


def test_it_comes_back_from_its_arrays():
    features, labels = _features(6)
    scope = Scope.fit(features.astype(np.float32), labels)
    arrays = scope.arrays()
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert (Scope.from_arrays(arrays).score(features) == scope.score(features)).all()
