"""How tight boxes are, how far off, and how often there are more than a head has."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotrace.images.preparation import Preparation
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.params.evaluate import EvaluateOne, EvaluateStructures
from sonotrace.scores.localisation import by_structure, in_words
from sonotrace.scores.structures import FreeResponse, Matched, free_response, match

PARAMS = EvaluateStructures(
    model="m.pt", trained_on="heads", bootstrap=100, seed=1, threads=1, device="cpu", confidence=0.25
)
PLANES_PARAMS = EvaluateOne(model="m", trained_on="p", bootstrap=100, seed=1, threads=1, device="cpu")
HALF = Preparation(100, 100, "stretch", mask_overlays=False)
FOUND = ["image", "structure", "confidence", "x0", "y0", "x1", "y1"]
TRUE = ["image", "structure", "x0", "y0", "x1", "y1"]


pytestmark = pytest.mark.usefixtures("ultralytics_offline")


def _test(spacing=("", "")):
    """Return two images of 200 x 400 px, of two subjects; the spacing is the first one's."""
    return pd.DataFrame(
        {
            "image": ["a", "b"],
            "patient": ["1", "2"],
            "width": [200, 200],
            "height": [400, 400],
            "mm_per_px_x": [spacing[0], ""],
            "mm_per_px_y": [spacing[1], ""],
        }
    )


def _measured(found, true, test=None):
    test = _test() if test is None else test
    return by_structure(pd.DataFrame(found, columns=FOUND), test, pd.DataFrame(true, columns=TRUE), HALF, PARAMS)


def _value(content, *place):
    for key in place:
        content = content[key]
    return content["value"]


def test_distances_are_between_middles_in_px_of_the_image_as_it_was_pulled_and_in_mm_where_they_are_known():
    true = [("a", "CSP", 10, 10, 30, 30), ("b", "CSP", 10, 10, 30, 30)]
    found = [("a", "CSP", 0.9, 13, 12, 33, 32), ("b", "CSP", 0.9, 13, 12, 33, 32)]
    # 3 px to the right and 2 down in a picture of 100 x 100 px are 6 and 8 px in one of 200 x 400.
    content = _measured(found, true, _test(("0.5", "0.25")))
    assert _value(content, "distance_px", "CSP") == 10
    assert _value(content, "distance_mm", "all") == pytest.approx(np.hypot(6 * 0.5, 8 * 0.25), abs=1e-4)
    assert content["n_found"] == 2
    assert in_words(content) == (
        "the centres of 2 detected boxes are off by 10.0 px, 3.6 mm (median); 0.0% of 2 images have more boxes of a "
        "structure than a head has"
    )
    unknown = _measured(found, true)
    assert unknown["distance_mm"]["all"] == {"value": None, "low": None, "high": None}
    assert _value(unknown, "distance_px", "MIDLINE_FALX") is None


def test_boxes_of_little_confidence_or_overlap_have_no_distance():
    true = [("a", "CSP", 10, 10, 30, 30), ("b", "CSP", 10, 10, 30, 30)]
    found = [("a", "CSP", 0.2, 10, 10, 30, 30), ("b", "CSP", 0.9, 25, 25, 45, 45)]
    content = _measured(found, true)
    assert content["n_found"] == 0
    assert in_words(content) == "no structure was found"


def test_the_average_precision_is_stated_at_each_iou():
    true = [("a", "CSP", 0, 0, 10, 10), ("b", "CSP", 0, 0, 10, 10)]
    found = [("a", "CSP", 0.9, 0, 0, 10, 8), ("b", "CSP", 0.8, 0, 0, 10, 8)]
    by_iou = _measured(found, true)["ap_by_iou"]
    assert list(by_iou) == ["0.50", "0.55", "0.60", "0.65", "0.70", "0.75", "0.80", "0.85", "0.90", "0.95"]
    assert [by_iou[at]["CSP"]["value"] > 0.99 for at in by_iou] == [True] * 7 + [False] * 3
    assert by_iou["0.50"]["all"] == by_iou["0.50"]["CSP"]
    assert by_iou["0.50"]["MIDLINE_FALX"]["value"] is None


def test_a_head_has_one_csp_one_falx_and_two_plexuses():
    two = [(10, 10, 20, 20), (60, 60, 70, 70)]
    found = [("a", name, 0.5, *box) for name in STRUCTURES for box in two]
    content = _measured(found, [("a", "CSP", 10, 10, 20, 20)])
    broken = {name: _value(content, "more_than_anatomy", name) for name in ("all", *STRUCTURES)}
    assert broken == {"all": 0.5, "CHOROID_PLEXUS": 0, "CSP": 0.5, "MIDLINE_FALX": 0.5}
    unsure = [(image, name, 0.1, *box) for image, name, _, *box in found]
    assert _value(_measured(unsure, [("a", "CSP", 10, 10, 20, 20)]), "more_than_anatomy", "all") == 0


def test_planes_have_none():
    assert by_structure(pd.DataFrame(), _test(), pd.DataFrame(), HALF, PLANES_PARAMS) == {}


def _image(confidence, hits, truth):
    """Return an image with predictions that hit or not, all of structure 1."""
    ones, none = np.ones(len(confidence), np.int64), np.zeros((0, 4))
    column = np.array(hits, bool).reshape(-1, 1)
    return Matched(ones, np.array(confidence, float), column, np.ones(truth, np.int64), none, none, ones)


def test_recall_is_that_before_the_next_box_would_be_one_false_box_too_many():
    images = [_image([0.9, 0.8, 0.7], [True, False, True], 2), _image([0.85, 0.6], [False, True], 2)]
    response = FreeResponse(images)
    # By falling confidence: hit, false, false, hit, hit; two images.
    assert [response.recall(false) for false in (0, 0.5, 0.9, 1)] == [0.25, 0.25, 0.25, 0.75]
    assert np.isnan(response.recall(1, 0))


def test_boxes_of_equal_confidence_count_together():
    response = FreeResponse([_image([0.5, 0.5], [True, False], 1)])
    assert response.recall(0.5) == 0
    assert response.recall(1) == 1


def test_nothing_found_is_a_recall_of_none():
    assert FreeResponse([_image([], [], 3)]).recall(1) == 0
    assert free_response([_image([], [], 3)], STRUCTURES).empty
    assert np.isnan(FreeResponse([_image([], [], 0)]).recall(1))


PLACES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2)), max_size=5)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(PLACES, PLACES, st.lists(st.floats(0.01, 1), min_size=5, max_size=5)), min_size=1, max_size=4)
)
def test_recall_rises_with_false_boxes_and_is_the_share_of_boxes_that_some_limit_finds(drawn):
    def boxes(chosen):
        return np.array([(10 * x, 10 * y, 10 * x + 10, 10 * y + 10) for x, y, _ in chosen], float).reshape(-1, 4)

    images = [
        match(
            np.array([name for *_, name in found], np.int64),
            np.array(confidence[: len(found)], float),
            boxes(found),
            np.array([name for *_, name in true], np.int64),
            boxes(true),
        )
        for found, true, confidence in drawn
    ]
    truth = sum(len(image.truth) for image in images)
    response = FreeResponse(images)
    recalls = [response.recall(false) for false in (0, 0.5, 1, 2, 4)]
    if not truth:
        assert np.isnan(recalls).all()
        return
    assert recalls == sorted(recalls)
    for false, recall in zip((0, 0.5, 1, 2, 4), recalls, strict=True):
        possible = [0.0]
        for limit in {value for image in images for value in image.confidence}:
            hits = [image.hits[image.confidence >= limit, 0] for image in images]
            if sum((~one).sum() for one in hits) <= false * len(images):
                possible.append(sum(one.sum() for one in hits) / truth)
        assert recall == pytest.approx(max(possible))
