"""Pictures show the numbers of their tables, one line per class, and nothing from elsewhere."""

import itertools
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from sonotrace.scores.pictures import CURVES, draw

SVG = "{http://www.w3.org/2000/svg}"


def _read(picture):
    return ET.fromstring(picture)  # noqa: S314 - we drew it


def _texts(picture):
    return [element.text for element in _read(picture).iter(f"{SVG}text")]


def _lines(picture):
    lines = _read(picture).iter(f"{SVG}polyline")
    return [[tuple(map(float, point.split(","))) for point in line.get("points").split()] for line in lines]


def test_a_confusion_matrix_counts_each_pair_in_its_own_cell():
    pairs = [("brain", "brain")] * 7 + [("brain", "femur")] * 2 + [("femur", "femur")] * 5
    texts = _texts(draw("confusion", pd.DataFrame(pairs, columns=["actual", "predicted"]), "planes"))
    assert [text for text in texts if text.isdigit()] == ["7", "2", "0", "5"]
    assert {"brain", "femur", "actual", "predicted"} <= set(texts)


def test_a_free_response_curve_goes_to_four_false_boxes():
    table = pd.DataFrame({"class": ["all", "all"], "false_boxes": [1.0, 4.0], "recall": [0.5, 1.0]})
    picture = draw("free_response", table, "structures")
    (((first, up), (last, top)),) = _lines(picture)
    assert {"4", "false boxes an image, of all structures"} <= set(_texts(picture))
    (frame,) = (one for one in _read(picture).iter(f"{SVG}rect") if one.get("fill") == "none")
    left, width, height = (float(frame.get(key)) for key in ("x", "width", "height"))
    assert (last, first) == (left + width, left + width / 4)
    assert up - top == height / 2


def test_a_corner_stays_where_its_point_is_repeated():
    points = [(0, 0.5), (0.5, 0.5), (1, 0.5), (1, 0.5), (1, 0.5), (1, 0.8), (4, 0.8)]
    table = pd.DataFrame(points, columns=["false_boxes", "recall"]).assign(**{"class": "CSP"})
    (line,) = _lines(draw("free_response", table, "structures"))
    assert len(line) == 4
    assert all(one[0] == other[0] or one[1] == other[1] for one, other in itertools.pairwise(line))


@pytest.mark.parametrize("name", CURVES)
def test_each_class_has_a_line_of_its_own(name):
    _, x, y = CURVES[name]
    table = pd.DataFrame({"class": ["a", "a", "b", "b"], x: [0, 1, 0, 1], y: [0.25, 1, 0, 0.5]})
    picture = draw(name, table, "planes")
    first, second = _lines(picture)
    assert first[0][1] < second[0][1], "the higher value is drawn higher up"
    assert first[0][0] < first[1][0]
    assert {"a", "b", x.replace("_", " "), y.replace("_", " ")} <= set(_texts(picture))


def test_points_keep_their_order_and_those_inside_an_upright_piece_are_left_out():
    recall, precision = [0, 0, 0, 0.5, 0.5, 1], [1, 0.9, 0.8, 0.9, 0.6, 0.7]
    table = pd.DataFrame({"class": "a", "recall": recall, "precision": precision})
    (line,) = _lines(draw("pr", table, "structures"))
    left, top = line[0]
    heights = [round(1 - (y - top) / (line[-1][0] - left), 2) for _, y in line]
    assert heights == [1, 0.8, 0.9, 0.6, 0.7]


def test_a_table_without_rows_is_drawn_as_empty_axes():
    assert _lines(draw("roc", pd.DataFrame(columns=["class", "false_positive_rate", "true_positive_rate"]), "x")) == []


def test_names_cannot_write_markup():
    table = pd.DataFrame({"actual": ["<script>"], "predicted": ["<script>"]})
    assert "<script" not in draw("confusion", table, "planes")


def test_the_same_table_gives_the_same_picture_with_no_address_but_that_of_the_format():
    random = np.random.default_rng(1)
    table = pd.DataFrame({"class": "a", "recall": random.random(50), "precision": random.random(50)})
    picture = draw("pr", table, "planes")
    assert picture == draw("pr", table.copy(), "planes")
    assert picture.count("http") == 1


def test_a_reliability_diagram_has_a_dot_per_bin_larger_for_more_images():
    table = pd.DataFrame({"bin": [8, 15], "mean_confidence": [0.5, 0.98], "accuracy": [0.75, 1.0], "n": [4, 36]})
    picture = draw("reliability", table, "planes")
    few, many = _read(picture).iter(f"{SVG}circle")
    assert float(few.get("r")) < float(many.get("r"))
    assert float(few.get("cy")) > float(many.get("cy")), "the higher accuracy is drawn higher up"
    assert {"4", "36", "mean confidence", "accuracy"} <= set(_texts(picture))


@pytest.mark.parametrize(("largest", "top"), [(0.2, "0.2"), (0.0, "0.01")])
def test_errors_are_drawn_up_to_the_largest_one(largest, top):
    table = pd.DataFrame({"coverage": [0.5, 1.0], "error": [0.0, largest]})
    picture = draw("risk_coverage", table, "planes")
    ((first, last),) = _lines(picture)
    assert (first[1] > last[1]) == (largest > 0)
    assert {top, "coverage", "error"} <= set(_texts(picture))
