"""Intervals come from whole patients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.scores.intervals import resamples, with_intervals

patients = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30)


@given(patients, st.integers(0, 100))
def test_a_resample_takes_whole_patients_and_as_many_as_there_are(rows, seed):
    names = np.array(rows)
    sizes = {name: rows.count(name) for name in rows}
    for sample in resamples(rows, 5, seed):
        times = {name: np.sum(names[sample] == name) / size for name, size in sizes.items()}
        assert all(count == int(count) for count in times.values())
        assert sum(times.values()) == len(sizes)
        for name, count in times.items():
            _, each = np.unique(sample[names[sample] == name], return_counts=True)
            assert (each == count).all()


def test_resamples_differ():
    samples = [tuple(sample) for sample in resamples(list("abcdefgh"), 50, 1)]
    assert len(set(samples)) > 40


@given(patients, st.integers(0, 100))
def test_the_interval_of_a_mean_lies_among_the_values(rows, seed):
    values = np.random.default_rng(seed).normal(size=len(rows))
    value, low, high = with_intervals(lambda at: {"mean": values[at].mean()}, rows, 100, seed)["mean"]
    assert value == values.mean()
    assert values.min() - 1e-9 <= low <= high <= values.max() + 1e-9


def test_the_interval_holds_the_value_of_a_mean():
    rows = [str(number // 3) for number in range(120)]
    values = np.random.default_rng(3).normal(size=120) + np.repeat(np.random.default_rng(4).normal(size=40), 3)
    value, low, high = with_intervals(lambda at: {"mean": values[at].mean()}, rows, 1000, 1)["mean"]
    assert low < value < high
    means = values.reshape(40, 3).mean(axis=1)
    assert high - low == pytest.approx(2 * 1.96 * means.std() / np.sqrt(40), rel=0.15)


def test_rows_of_one_patient_narrow_nothing():
    values = np.repeat(np.random.default_rng(0).normal(size=20), 10)
    rows = [str(number // 10) for number in range(200)]

    def mean(at):
        return {"mean": values[at].mean()}

    _, low, high = with_intervals(mean, rows, 500, 1)["mean"]
    _, naive_low, naive_high = with_intervals(mean, [str(number) for number in range(200)], 500, 1)["mean"]
    assert high - low > 2 * (naive_high - naive_low)


def test_the_seed_decides():
    values = np.arange(12.0)
    rows = list("aabbccddeeff")

    def found(seed):
        return with_intervals(lambda at: {"mean": values[at].mean()}, rows, 100, seed)

    assert found(1) == found(1)
    assert found(1) != found(2)


def test_a_score_undefined_in_some_resamples_has_an_interval_of_the_others():
    rows = list("abcd")
    scores = {"rare": lambda at: np.nan if 0 not in at else 1.0, "never": lambda _: np.nan}
    found = with_intervals(lambda at: {name: score(at) for name, score in scores.items()}, rows, 200, 1)
    assert found["rare"] == (1.0, 1.0, 1.0)
    assert np.isnan(found["never"]).all()
