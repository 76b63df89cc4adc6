"""Scores by scanner, site and label; the worst group is named."""

import pandas as pd
import pytest

from sonotrace import kinds
from sonotrace.params.evaluate import EvaluateOne, EvaluateStructures
from sonotrace.scores.groups import by_group, worst_in_words
from sonotrace.tables import FOUND_BOX_COLUMNS, USED_BOX_COLUMNS

COMMON = {"trained_on": "planes", "bootstrap": 200, "seed": 1, "threads": 1, "device": "cpu"}
PLANES = EvaluateOne(model="models/planes.keras", **COMMON)
STRUCTURES = EvaluateStructures(model="models/structures.pt", confidence=0.25, **COMMON)


def _images(*groups):
    """Return test rows and predictions of (site, scanner, patients, images per patient, wrong per patient)."""
    rows = []
    for number, (site, scanner, patients, images, wrong) in enumerate(groups):
        for patient in range(patients):
            for at in range(images):
                label = ("brain", "femur")[at % 2]
                found = label if at >= wrong else "thorax"
                rows.append((f"i{len(rows)}", f"{number}-{patient}", label, found, site, scanner))
    table = pd.DataFrame(rows, columns=["image", "patient", "label", "predicted", "site", "scanner"])
    return table.drop(columns="predicted"), table[["image", "patient", "label", "predicted"]]


def _grouped(*groups):
    test, predictions = _images(*groups)
    return by_group(kinds.PLANES, predictions, test, pd.DataFrame(), PLANES)


def test_each_group_has_its_counts_its_score_and_an_interval_over_patients():
    found = _grouped(("Algeria", "GE", 5, 4, 0), ("Egypt", "", 6, 4, 1))
    assert set(found["site"]) == {"Algeria", "Egypt"}
    assert set(found["scanner"]) == {"GE", "not stated"}
    assert found["site"]["Algeria"] == {
        "n_images": 20,
        "n_patients": 5,
        "accuracy": {"value": 1.0, "low": 1.0, "high": 1.0},
    }
    assert found["site"]["Egypt"]["accuracy"]["value"] == 0.75
    assert found["label"]["femur"]["accuracy"]["value"] == 1
    assert found["label"]["brain"]["accuracy"]["value"] == round(16 / 22, 4)
    brain = found["label"]["brain"]["accuracy"]
    assert brain["low"] < brain["value"] < brain["high"]


def test_the_lowest_score_of_all_criteria_is_the_worst_group():
    found = _grouped(("Algeria", "", 5, 4, 0), ("Egypt", "", 2, 4, 3))
    assert (found["worst"]["by"], found["worst"]["group"]) == ("site", "Egypt")
    assert found["worst"]["accuracy"] == found["site"]["Egypt"]["accuracy"]
    assert worst_in_words(found).startswith(
        "worst group: site Egypt, accuracy 0.250 (95 % 0.250 to 0.250), 8 images of"
    )


def test_a_group_of_fewer_than_five_images_is_not_the_worst():
    assert _grouped(("Algeria", "", 5, 4, 0), ("Egypt", "", 1, 4, 4))["worst"]["by"] == "label"


def test_a_scanner_that_all_images_share_is_no_group():
    found = _grouped(("Algeria", "GE", 6, 1, 1))
    assert found["worst"] is None
    assert worst_in_words(found).startswith("no groups to compare: ")


def test_a_single_patient_has_no_interval():
    found = _grouped(("Algeria", "", 5, 4, 0), ("Egypt", "", 1, 6, 3))
    assert found["site"]["Egypt"]["accuracy"] == {"value": 0.5, "low": None, "high": None}
    assert "(one patient, so no interval), 6 images of 1 patients" in worst_in_words(found)


@pytest.mark.parametrize("order", [1, -1])
def test_predictions_belong_to_images_by_name(order):
    test, predictions = _images(("Algeria", "", 5, 4, 0), ("Egypt", "", 5, 4, 2))
    found = by_group(kinds.PLANES, predictions[::order], test, pd.DataFrame(), PLANES)
    assert found["site"]["Algeria"]["accuracy"]["value"] == 1


def test_structures_are_scored_by_map50_and_not_by_label():
    test = pd.DataFrame(
        {"image": list("abcd"), "patient": list("1234"), "label": "", "scanner": "", "site": list("AABB")}
    )
    boxes = pd.DataFrame([(image, "CSP", 0.0, 0.0, 10.0, 10.0) for image in "abcd"], columns=list(USED_BOX_COLUMNS))
    found = [(image, "CSP", 0.9, 0.0, 0.0, 10.0, 10.0) for image in "ab"]
    predictions = pd.DataFrame(found, columns=list(FOUND_BOX_COLUMNS))
    content = by_group(kinds.STRUCTURES, predictions, test, boxes, STRUCTURES)
    assert content["score"] == "map50"
    assert "label" not in content
    assert content["site"]["A"]["map50"]["value"] == pytest.approx(0.995)
    assert content["site"]["B"]["map50"]["value"] == 0
