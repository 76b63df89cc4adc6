"""Boxes are judged on the page as in precision and recall."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.kinds.structures import STRUCTURES
from sonotrace.report.detections import counted, judged
from sonotrace.scores.structures import match
from sonotrace.tables import CORNERS

CORNER = st.integers(0, 12)
BOXES = st.lists(
    st.tuples(st.sampled_from(STRUCTURES), CORNER, CORNER, st.integers(1, 10), st.integers(1, 10)), max_size=6
)


def _true(boxes):
    rows = [("i", name, float(x), float(y), float(x + w), float(y + h)) for name, x, y, w, h in boxes]
    return pd.DataFrame(rows, columns=["image", "structure", *CORNERS])


def _found(boxes):
    table = _true(boxes)
    table.insert(2, "confidence", [round(0.95 - at / 20, 2) for at in range(len(boxes))])
    return table


@given(found=BOXES, true=BOXES)
def test_hits_are_those_of_the_scores(found, true):
    said, known = _found(found), _true(true)
    (drawn,) = judged(said, known, ["i"], confidence=0.25)

    def indices(table):
        return np.array([STRUCTURES.index(name) for name in table["structure"]], np.int64)

    matched = match(
        indices(said),
        said["confidence"].to_numpy(np.float64),
        said[CORNERS].to_numpy(np.float64),
        indices(known),
        known[CORNERS].to_numpy(np.float64),
    )
    predicted = [box for box in drawn.boxes if box.confidence is not None]
    assert [box.verdict == "hit" for box in predicted] == list(matched.hits[:, 0])
    missed = sum(box.verdict == "missed" for box in drawn.boxes)
    assert missed == len(true) - matched.hits[:, 0].sum()


def test_a_box_below_the_confidence_is_not_drawn():
    said = _found([("CSP", 0, 0, 5, 5)]).assign(confidence=0.2)
    (drawn,) = judged(said, _true([("CSP", 0, 0, 5, 5)]), ["i"], confidence=0.25)
    assert [box.verdict for box in drawn.boxes] == ["missed"]


def test_a_false_box_says_how_near_it_came():
    said, known = _found([("CSP", 0, 0, 10, 10), ("CSP", 0, 0, 10, 8)]), _true([("CSP", 0, 0, 10, 10)])
    (drawn,) = judged(said, known, ["i"], confidence=0.25)
    assert [(box.verdict, box.overlap) for box in drawn.boxes] == [("found", None), ("hit", 1.0), ("false", 0.8)]


def test_boxes_are_counted_by_structure():
    said, known = _found([("CSP", 0, 0, 5, 5)]), _true([("CSP", 0, 0, 5, 5), ("MIDLINE_FALX", 0, 0, 9, 2)])
    tally = counted(judged(said, known, ["i"], 0.25), STRUCTURES)
    assert tally["CSP"] == {"boxes": 1, "found": 1, "missed": 0, "false": 0}
    assert tally["MIDLINE_FALX"] == {"boxes": 1, "found": 0, "missed": 1, "false": 0}


def test_an_image_without_boxes_and_without_predictions_has_no_error():
    (drawn,) = judged(_found([]), _true([]), ["i"], 0.25)
    assert drawn.boxes == []
    assert drawn.order == (0, 0.0, 1.0)
