"""Scores of structures: COCO's matching, Ultralytics' average precision."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sonotrace.kinds.structures import STRUCTURES
from sonotrace.scores.structures import THRESHOLDS, Matched, average_precisions, match, pr_curve, scores

pytestmark = pytest.mark.usefixtures("ultralytics_offline")


def _match(predicted, confidence, found, truth, boxes):
    return match(
        np.array(predicted, np.int64),
        np.array(confidence, float),
        np.array(found, float).reshape(-1, 4),
        np.array(truth, np.int64),
        np.array(boxes, float).reshape(-1, 4),
    )


BOX, FAR = [0, 0, 10, 10], [50, 50, 60, 60]


def test_perfect_detections_score_one():
    images = [_match([0, 1, 2], [0.9, 0.8, 0.7], [BOX, FAR, BOX], [2, 0, 1], [BOX, BOX, FAR]) for _ in range(3)]
    found = scores(images, STRUCTURES, 0.25)
    assert all(value == pytest.approx(1, abs=0.006) for value in found.values())
    assert found["precision"] == found["recall"] == found["f1"] == 1


def test_nothing_found_scores_zero():
    found = scores([_match([], [], [], [0, 1, 2], [BOX, BOX, BOX])], STRUCTURES, 0.25)
    assert set(found.values()) == {0.0}


def test_a_second_box_for_one_structure_is_a_false_positive():
    matched = _match([0, 0], [0.6, 0.9], [BOX, BOX], [0], [BOX])
    assert matched.confidence.tolist() == [0.9, 0.6]
    assert matched.hits.tolist() == [[True] * 10, [False] * 10]
    found = scores([matched], STRUCTURES, 0.25)
    assert found["precision.CHOROID_PLEXUS"] == 0.5
    assert found["recall.CHOROID_PLEXUS"] == 1
    assert found["f1.CHOROID_PLEXUS"] == pytest.approx(2 / 3)


def test_the_overlap_decides_at_which_thresholds_a_box_counts():
    # 8 of 10 px high: intersection over union 0.8
    hits = _match([1], [0.9], [[0, 0, 10, 8]], [1], [BOX]).hits[0]
    assert hits.tolist() == [threshold <= 0.8 for threshold in THRESHOLDS.round(2)]
    assert THRESHOLDS.round(2).tolist() == [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]


def test_another_structure_at_the_same_place_is_no_hit():
    assert not _match([0], [0.9], [BOX], [1], [BOX]).hits.any()


def test_each_prediction_takes_the_free_box_that_it_overlaps_most():
    boxes = [[0, 0, 10, 10], [2, 0, 12, 10]]
    matched = _match([0, 0], [0.9, 0.8], [[2, 0, 12, 10], [2, 0, 12, 10]], [0, 0], boxes)
    assert matched.hits[0].all()
    assert matched.hits[1].tolist() == [threshold <= 2 / 3 for threshold in THRESHOLDS]


def test_precision_and_recall_count_only_what_is_confident_enough():
    matched = _match([0, 0, 0], [0.9, 0.5, 0.2], [BOX, [20, 20, 30, 30], FAR], [0, 0], [BOX, FAR])
    for confidence, precision, recall in ((0.1, 2 / 3, 1), (0.25, 1 / 2, 1 / 2), (0.6, 1, 1 / 2), (0.95, 0, 0)):
        found = scores([matched], STRUCTURES, confidence)
        assert found["precision"] == pytest.approx(precision)
        assert found["recall"] == pytest.approx(recall)


def test_scores_stand_under_the_name_of_the_structure():
    images = [_match([0, 1, 2], [0.9] * 3, [BOX, BOX, FAR], [0, 1, 2], [BOX, FAR, FAR])]
    found = scores(images, ("A", "B", "C"), 0.25)
    assert [found[f"recall.{name}"] for name in "ABC"] == [1, 0, 1]
    assert found["recall"] == pytest.approx(2 / 3)


def test_a_structure_without_boxes_is_left_out_of_the_means():
    found = scores([_match([0, 1], [0.9, 0.9], [BOX, BOX], [0], [BOX])], STRUCTURES, 0.25)
    assert found["recall"] == found["precision"] == 1
    assert np.isnan([found["recall.CSP"], found["ap50.CSP"], found["f1.MIDLINE_FALX"]]).all()
    assert found["precision.CSP"] == 0
    nothing = scores([_match([], [], [], [], [])], STRUCTURES, 0.25)
    assert np.isnan(nothing["map50"])


def test_average_precision_of_a_small_case():
    # hit, miss, hit of two boxes: precision 1 up to recall 1/2, then 2/3 up to recall 1
    hits = np.repeat(np.array([[True], [False], [True]]), len(THRESHOLDS), axis=1)
    found = average_precisions(hits, np.array([0.9, 0.8, 0.7]), 2)
    np.testing.assert_allclose(found, (1 + 2 / 3) / 2, atol=0.01)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_average_precision_agrees_with_ultralytics(seed):
    from ultralytics.utils.metrics import ap_per_class

    random = np.random.default_rng(seed)
    images = []
    for _ in range(random.integers(1, 6)):
        truth = random.integers(0, 3, random.integers(0, 6))
        boxes = np.sort(random.uniform(0, 100, (len(truth), 2, 2)), axis=1).reshape(-1, 4)
        chosen = random.integers(0, max(len(truth), 1), random.integers(0, 8) if len(truth) else 0)
        found = boxes[chosen] + random.normal(0, 3, (len(chosen), 4))
        predicted = np.where(random.random(len(chosen)) < 0.8, truth[chosen], random.integers(0, 3, len(chosen)))
        images.append(match(predicted, random.random(len(chosen)), found, truth, boxes))
    whole = Matched(
        *(
            np.concatenate([getattr(image, name) for image in images])
            for name in ("predicted", "confidence", "hits", "truth", "places", "true_places", "taken")
        )
    )
    assume(len(whole.truth) and len(whole.predicted))
    ap, classes = ap_per_class(whole.hits, whole.confidence, whole.predicted, whole.truth)[5:7]
    found = scores(images, STRUCTURES, 0.25)
    for values, index in zip(ap, classes, strict=True):
        assert found[f"ap50.{STRUCTURES[index]}"] == pytest.approx(values[0], abs=1e-6)
        assert found[f"ap50_95.{STRUCTURES[index]}"] == pytest.approx(values.mean(), abs=1e-6)
    assert found["map50"] == pytest.approx(ap[:, 0].mean(), abs=1e-6)
    assert found["map50_95"] == pytest.approx(ap.mean(), abs=1e-6)


def test_the_curve_follows_falling_confidence():
    images = [_match([0], [0.5], [BOX], [0], [BOX]), _match([0, 1], [0.9, 0.8], [FAR, BOX], [0], [BOX])]
    curve = pr_curve(images, STRUCTURES)
    assert curve.to_numpy().tolist() == [["CHOROID_PLEXUS", 0.0, 0.0, 0.9], ["CHOROID_PLEXUS", 0.5, 0.5, 0.5]]
    assert list(pr_curve(images[:0], STRUCTURES[:0]).columns) == ["class", "recall", "precision", "confidence"]
