"""Maps are drawn as they are, and with images only where that is asked for."""

from xml.etree import ElementTree as ET

import numpy as np

from sonotrace.models.occlusion import CELLS, OcclusionMap
from sonotrace.scores.maps import draw

SVG = "{http://www.w3.org/2000/svg}"


def _map(drops, label="femur", answer="femur"):
    image = np.zeros((64, 80), np.uint8)
    image[:, 20:60] = 90
    return OcclusionMap(image, label, answer, 0.91, drops)


def _drops(*cells):
    drops = np.zeros((CELLS, CELLS))
    for row, column, drop in cells:
        drops[row, column] = drop
    return drops


def _red(picture):
    root = ET.fromstring(picture)  # noqa: S314 - we drew it
    return [
        (int(one.get("y")), int(one.get("x")), float(one.get("fill-opacity")))
        for one in root.iter(f"{SVG}rect")
        if one.get("fill") == "#d00"
    ]


def test_the_redder_a_cell_the_larger_its_drop():
    (first, second) = _red(draw([_map(_drops((1, 2, 0.2), (5, 0, 0.4), (3, 3, -0.3)))], "planes", with_images=False))
    assert first[:2] == (24, 48)
    assert second[:2] == (120, 0)
    assert second[2] == 2 * first[2] > 0


def test_a_slight_drop_is_not_blown_up():
    ((_, _, opacity),) = _red(draw([_map(_drops((1, 2, 0.005)))], "planes", with_images=False))
    assert opacity < 0.1


def test_images_are_drawn_only_where_that_is_asked_for():
    shown = [_map(_drops((1, 2, 0.2))), _map(_drops())]
    inside, outside = (draw(shown, "planes", with_images) for with_images in (True, False))
    assert inside.count('href="data:image/png;base64,') == 2
    assert "<image" not in outside
    assert outside.count("<polygon") == 2


def test_a_wrong_answer_is_told_from_a_right_one_and_names_cannot_write_markup():
    picture = draw([_map(_drops(), "femur", "<b>")], "planes", with_images=False)
    assert ">&lt;b&gt;, labelled femur<" in picture
    assert ">femur<" in draw([_map(_drops())], "planes", with_images=False)


def test_the_same_maps_give_the_same_bytes_with_no_address_but_that_of_the_format():
    shown = [_map(np.random.default_rng(at).random((CELLS, CELLS))) for at in range(5)]
    for with_images in (True, False):
        picture = draw(shown, "planes", with_images)
        assert picture == draw(shown, "planes", with_images)
        assert picture.count("http") == 1
        ET.fromstring(picture)  # noqa: S314 - we drew it
