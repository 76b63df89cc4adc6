"""Equal models are seldom told apart, unequal ones are, and no patient counts twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.compare.paired import differences, independent

MODELS = st.integers(2, 30).flatmap(
    lambda count: st.tuples(
        st.lists(st.sampled_from("abcdefgh"), min_size=count, max_size=count),
        st.lists(st.tuples(st.booleans(), st.booleans()), min_size=count, max_size=count),
    )
)


def _accuracy(right):
    """Score two models by the share of rows they name rightly; `right` has shape (rows, 2)."""
    right = np.asarray(right, float)

    def score(which, rows):
        share = right[rows, which].mean()
        return {"accuracy": float(share), "loss": float(1 - share)}

    return score


@given(MODELS, st.integers(0, 5))
def test_the_interval_holds_the_difference(models, seed):
    patients, right = models
    for found in differences(_accuracy(right), patients, 100, seed).values():
        assert found.low - 1e-9 <= found.value <= found.high + 1e-9


@given(MODELS, st.integers(0, 5))
def test_the_way_back_mirrors_the_way_there(models, seed):
    patients, right = models
    there = differences(_accuracy(right), patients, 100, seed)
    back = differences(_accuracy([pair[::-1] for pair in right]), patients, 100, seed)
    mirror = {"better": "worse", "worse": "better", "not distinguishable": "not distinguishable"}
    for name, found in there.items():
        assert (found.a, found.b) == (back[name].b, back[name].a)
        assert (found.low, found.high) == pytest.approx((-back[name].high, -back[name].low))
        assert found.verdict == mirror[back[name].verdict]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 5))
def test_fewer_than_six_patients_tell_nothing(sizes, seed):
    patients = [str(number) for number, size in enumerate(sizes) for _ in range(size)]
    found = differences(_accuracy([(True, False)] * len(patients)), patients, 100, seed)
    assert {one.verdict for one in found.values()} == {"not distinguishable"}


def test_six_patients_of_one_mind_tell():
    found = differences(_accuracy([(True, False)] * 6), list("abcdef"))
    assert found["accuracy"].verdict == "worse"
    assert found["loss"].verdict == "worse"
    assert found["accuracy"].p == 2 / 2**6


def test_images_of_one_patient_do_not_count_as_many_patients():
    right = np.repeat(np.random.default_rng(0).random((20, 2)) < [0.9, 0.6], 10, axis=0)
    by_image = differences(_accuracy(right), [str(number) for number in range(200)])["accuracy"]
    by_patient = differences(_accuracy(right), [str(number // 10) for number in range(200)])["accuracy"]
    assert by_image.verdict == "worse"
    assert by_patient.verdict == "not distinguishable"
    assert by_patient.high - by_patient.low > 2 * (by_image.high - by_image.low)


def test_the_same_predictions_cost_nothing_and_do_not_differ():
    asked = []

    def score(which, rows):
        asked.append((which, rows))
        return {"accuracy": 0.75}

    found = differences(score, list("aabb"), same=True)["accuracy"]
    assert (found.value, found.low, found.high, found.verdict) == (0, 0, 0, "not distinguishable")
    assert len(asked) == 2


def test_an_undefined_score_has_no_verdict():
    found = differences(_accuracy([(np.nan, 1)] * 3), list("abc"), 20)["accuracy"]
    assert found.verdict == "undefined"


def _simulated(random, patients, skill):
    """Draw two models on patients with one to five images; `skill` is added to the second's chance to be right.

    Images and patients differ in how hard they are, and both models find the same ones hard.
    """
    sizes = random.integers(1, 6, patients)
    ids = np.repeat(np.arange(patients), sizes)
    easy = 0.8 + 0.15 * random.normal(size=patients)[ids] + 0.1 * random.normal(size=len(ids))
    chance = np.clip(easy[:, None] + [0, skill], 0.02, 0.98)
    return random.random((len(ids), 2)) < chance, [str(one) for one in ids]


def _verdicts(patients, skill, runs, count=200):
    random = np.random.default_rng(patients)
    found = []
    for run in range(runs):
        right, ids = _simulated(random, patients, skill)
        found.append(differences(_accuracy(right), ids, count, run)["accuracy"].verdict)
    return {verdict: found.count(verdict) / runs for verdict in ("better", "worse", "not distinguishable")}


@pytest.mark.parametrize("patients", [8, 20, 60])
def test_equal_models_are_seldom_called_worse(patients):
    runs = 300
    nominal, deviation = 0.025, np.sqrt(0.025 * 0.975 / runs)
    found = _verdicts(patients, 0, runs)
    assert found["worse"] <= nominal + 2.5 * deviation
    assert found["better"] <= nominal + 2.5 * deviation


def test_models_that_seldom_differ_are_seldom_called_worse():
    """Here the bootstrap alone fails: four patients of one mind among fifty that agree make its interval leave 0."""
    right = np.ones((50, 2), bool)
    right[:4, 1] = False
    found = differences(_accuracy(right), [str(number) for number in range(50)])["accuracy"]
    assert found.high < 0
    assert found.verdict == "not distinguishable"


def test_a_clearly_worse_model_is_found():
    found = _verdicts(60, -0.25, 40)
    assert found["worse"] >= 0.95
    assert found["better"] == 0


NUMBERS = st.floats(0, 1)


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_the_interval_of_independent_samples_holds_the_difference_and_mirrors(one, other):
    value, low, high = independent(one, other)
    assert low <= value <= high
    back = independent(other, one)
    assert back == pytest.approx((-value, -high, -low))


def test_independent_intervals_add_as_variances_do():
    assert independent((0.5, 0.2, 0.8), (0.9, 0.5, 1.3)) == pytest.approx((0.4, -0.1, 0.9))
