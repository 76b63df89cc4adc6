"""What a change costs is measured on the same images, paired, and the costliest one is named."""

import pandas as pd

from sonotrace import kinds
from sonotrace.images.overlays import CHANGES
from sonotrace.params.evaluate import EvaluateOne
from sonotrace.scores.robustness import by_change, worst_in_words

PARAMS = EvaluateOne(model="models/planes.keras", trained_on="planes", bootstrap=200, seed=1, threads=1, device="cpu")


def _measured(wrong=4, costs=None, mends=None, order=1):
    """Measure 20 images of 10 patients, `wrong` of which are misread; of each change, how many more are, or fewer."""
    rows = [(f"i{at}", f"p{at // 2}", "brain", "femur" if at < wrong else "brain") for at in range(20)]
    said = pd.DataFrame(rows, columns=["image", "patient", "label", "predicted"])
    parts = []
    for name in CHANGES:
        few, many = (mends or {}).get(name, 0), wrong + (costs or {}).get(name, 0)
        predicted = ["femur" if few <= at < many else "brain" for at in range(20)]
        parts.append(said.assign(predicted=predicted, change=name)[::order])
    return by_change(kinds.PLANES, said, pd.concat(parts), PARAMS)


def test_the_difference_is_that_of_the_same_images():
    found = _measured(costs={"overlays_moved": 6}, mends={"overlays_moved": 2})
    moved = found["changes"]["overlays_moved"]
    assert (found["as_is"]["value"], moved["accuracy"]["value"]) == (0.8, 0.6)
    assert (moved["difference"]["value"], moved["other"]["value"]) == (-0.2, 0.4)
    assert moved["difference"]["low"] < -0.2 < moved["difference"]["high"]
    assert (found["n_images"], found["n_patients"]) == (20, 10)


def test_a_change_that_changes_no_answer_has_no_difference_in_any_resample():
    same = _measured()["changes"]["overlays_blanked"]
    assert same["difference"] == same["other"] == {"value": 0, "low": 0, "high": 0}
    assert same["accuracy"]["low"] < same["accuracy"]["high"]


def test_the_change_that_costs_most_is_named():
    found = _measured(costs={"mirrored": 1, "overlays_blanked": 6})
    assert found["worst"] == "overlays_blanked"
    assert worst_in_words(found).startswith(
        "accuracy suffers most from overlays blanked: 0.800 becomes 0.500 (difference -0.300, 95 % "
    )


def test_without_a_loss_no_change_is_named():
    found = _measured(mends={"mirrored": 2})
    assert found["worst"] is None
    assert worst_in_words(found) == "no change of overlays, and no mirroring, costs accuracy"


def test_answers_belong_to_images_by_name():
    costs = {"overlays_moved": 5}
    assert _measured(costs=costs, order=-1) == _measured(costs=costs)


def test_nothing_is_said_of_boxes():
    assert by_change(kinds.STRUCTURES, pd.DataFrame(), pd.DataFrame(), PARAMS) == {"changes": {}, "worst": None}
