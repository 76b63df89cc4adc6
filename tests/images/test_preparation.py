"""Prepared images have one size, boxes move with them, and scanner text goes."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.images.preparation import Preparation, without_overlays

aspects = st.sampled_from(["stretch", "letterbox"])
frames = st.integers(32, 128)
sizes = st.integers(40, 220)
shares = st.floats(0, 1)


@st.composite
def boxes_within(draw, width, height, least=8):
    x0, y0 = draw(st.integers(0, width - least)), draw(st.integers(0, height - least))
    return x0, y0, draw(st.integers(x0 + least, width)), draw(st.integers(y0 + least, height))


def _bright_bounds(image):
    rows, columns = np.nonzero(image > 127)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@given(st.data(), aspects, frames, frames, sizes, sizes)
def test_what_is_drawn_in_a_box_is_found_in_the_prepared_box(data, aspect, frame_width, frame_height, width, height):
    x0, y0, x1, y1 = data.draw(boxes_within(width, height, least=16))
    image = np.zeros((height, width), np.uint8)
    image[y0:y1, x0:x1] = 255
    preparation = Preparation(frame_width, frame_height, aspect, mask_overlays=False)
    moved = preparation.placement(width, height).to_prepared(np.array([[x0, y0, x1, y1]], float))[0]
    np.testing.assert_allclose(_bright_bounds(preparation.apply(image)), moved, atol=1.01)


@given(aspects, frames, frames, sizes, sizes, st.booleans())
def test_every_prepared_image_has_the_size_asked_for(aspect, frame_width, frame_height, width, height, mask):
    image = np.full((height, width), 90, np.uint8)
    prepared = Preparation(frame_width, frame_height, aspect, mask).apply(image)
    assert prepared.shape == (frame_height, frame_width)
    assert prepared.dtype == np.uint8


@given(aspects, frames, frames, sizes, sizes, st.lists(st.tuples(shares, shares, shares, shares), max_size=3))
def test_to_original_undoes_to_prepared(aspect, frame_width, frame_height, width, height, corners):
    boxes = np.array(corners, float).reshape(-1, 4) * [width, height, width, height]
    at = Preparation(frame_width, frame_height, aspect, mask_overlays=False).placement(width, height)
    prepared = at.to_prepared(boxes)
    assert (prepared >= -1e-9).all()
    assert (prepared <= np.array([frame_width, frame_height] * 2) + 1e-9).all()
    np.testing.assert_allclose(at.to_original(prepared), boxes, atol=1e-6)


@given(aspects, frames, frames, sizes, sizes, shares, shares)
def test_a_point_inside_a_box_is_inside_the_prepared_box(aspect, frame_width, frame_height, width, height, right, down):
    box = np.array([width / 4, height / 5, width / 2, height / 3])
    point = box[:2] + np.array([right, down]) * (box[2:] - box[:2])
    at = Preparation(frame_width, frame_height, aspect, mask_overlays=False).placement(width, height)
    moved, there = at.to_prepared(box[None])[0], at.to_prepared(np.concatenate([point, point])[None])[0, :2]
    assert (moved[:2] - 1e-6 <= there).all()
    assert (there <= moved[2:] + 1e-6).all()


@given(frames, frames, sizes, sizes)
def test_a_letterbox_keeps_proportions_and_centres_the_image(frame_width, frame_height, width, height):
    preparation = Preparation(frame_width, frame_height, "letterbox", mask_overlays=False)
    at = preparation.placement(width, height)
    new_width, new_height = width * at.scale_x, height * at.scale_y
    assert abs(new_width * height / width - new_height) <= 0.5 * (1 + max(height / width, width / height))
    assert max(new_width / frame_width, new_height / frame_height) == pytest.approx(1)
    assert abs(frame_width - new_width - 2 * at.offset_x) < 1.01
    assert abs(frame_height - new_height - 2 * at.offset_y) < 1.01
    lit = np.nonzero(preparation.apply(np.full((height, width), 200, np.uint8)))
    assert (lit[0].min(), lit[1].min()) == (at.offset_y, at.offset_x)
    assert (np.ptp(lit[0]) + 1, np.ptp(lit[1]) + 1) == (round(new_height), round(new_width))


def test_stretching_fills_the_frame():
    prepared = Preparation(64, 48, "stretch", mask_overlays=False).apply(np.full((100, 50), 200, np.uint8))
    assert (prepared == 200).all()


def test_an_image_of_the_right_size_stays_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    for aspect in ("stretch", "letterbox"):
        assert (Preparation(64, 48, aspect, mask_overlays=False).apply(image) == image).all()


def test_shrinking_averages_over_areas():
    image = np.tile(np.array([[0, 200]], np.uint8), (64, 64))
    assert (Preparation(64, 32, "stretch", mask_overlays=False).apply(image) == 100).all()


@pytest.fixture
def sector():
    """A speckled sector, 320 x 240 px, and where it lies."""
    inside = np.zeros((240, 320), np.uint8)
    cv2.ellipse(inside, (160, 10), (200, 200), 90, -40, 40, 1, -1)
    speckle = np.random.default_rng(1).integers(60, 200, inside.shape, dtype=np.uint8)
    return speckle * inside, inside.astype(bool)


def test_text_outside_the_sector_is_blanked_and_the_sector_kept(sector):
    image, inside = sector
    marked = image.copy()
    cv2.putText(marked, "GE 28w", (4, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
    cv2.putText(marked, "5cm", (280, 230), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    marked[30:200:20, 312:318] = 255
    away = cv2.dilate(inside.astype(np.uint8), np.ones((15, 15))) == 0
    core = cv2.erode(inside.astype(np.uint8), np.ones((15, 15))) == 1
    assert (marked[away] > 0).any()
    found = without_overlays(marked)
    assert not found[away].any()
    assert (found[core] == image[core]).all()
    kept = Preparation(320, 240, "stretch", mask_overlays=True).apply(marked)
    assert (kept == found).all()
    assert (Preparation(320, 240, "stretch", mask_overlays=False).apply(marked) == marked).all()


@pytest.mark.parametrize("level", [0, 3])
def test_an_image_without_a_sector_is_returned_as_it_is(level):
    image = np.full((60, 80), level, np.uint8)
    image[5:7, 10:30] = 255  # a stroke of text is no sector
    assert (without_overlays(image) == image).all()
    black = np.zeros((60, 80), np.uint8)
    assert (without_overlays(black) == black).all()


def test_a_preparation_is_made_from_what_a_model_file_states():
    values = {"width": 64, "height": 32, "aspect": "letterbox", "mask_overlays": True}
    assert Preparation.from_mapping(values) == Preparation(64, 32, "letterbox", mask_overlays=True)
