"""Boxes hold the ellipses that filled them, wherever an affine change moves them."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from sonotrace.images.boxes import area, clip, overlap, transform, visible

numbers = st.floats(-400, 400, allow_nan=False, width=32)
sizes = st.integers(1, 500)
shares = st.floats(0, 1)


@st.composite
def box_arrays(draw, least=0):
    corners = draw(st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=least, max_size=4))
    array = np.array(corners, float).reshape(-1, 4)
    return np.concatenate([np.minimum(array[:, :2], array[:, 2:]), np.maximum(array[:, :2], array[:, 2:])], axis=1)


entries = st.floats(-3, 3, allow_nan=False)
matrices = st.tuples(entries, entries, numbers, entries, entries, numbers).map(
    lambda values: np.array([values[:3], values[3:], (0, 0, 1)])
)


@given(box_arrays(1), matrices, shares, st.floats(0, 2 * np.pi))
def test_a_point_of_the_ellipse_in_a_box_is_inside_the_moved_box(boxes, matrix, out, around):
    x = (boxes[:, 0] + boxes[:, 2] + out * np.cos(around) * (boxes[:, 2] - boxes[:, 0])) / 2
    y = (boxes[:, 1] + boxes[:, 3] + out * np.sin(around) * (boxes[:, 3] - boxes[:, 1])) / 2
    new_x, new_y, _ = matrix @ np.stack([x, y, np.ones(len(boxes))])
    moved = transform(boxes, matrix)
    assert (moved[:, 0] - 1e-6 <= new_x).all()
    assert (new_x <= moved[:, 2] + 1e-6).all()
    assert (moved[:, 1] - 1e-6 <= new_y).all()
    assert (new_y <= moved[:, 3] + 1e-6).all()


@given(box_arrays(1), matrices)
def test_the_moved_box_touches_the_ellipse_on_each_side(boxes, matrix):
    around = np.linspace(0, 2 * np.pi, 2001)
    x = (boxes[:, [0]] + boxes[:, [2]] + np.cos(around) * (boxes[:, [2]] - boxes[:, [0]])) / 2
    y = (boxes[:, [1]] + boxes[:, [3]] + np.sin(around) * (boxes[:, [3]] - boxes[:, [1]])) / 2
    x, y, _ = (matrix @ np.stack([x, y, np.ones_like(x)], axis=1)).transpose(1, 0, 2)
    bounds = np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], axis=1)
    np.testing.assert_allclose(transform(boxes, matrix), bounds, atol=0.02)


entire = st.floats(-3, 3).filter(lambda value: abs(value) > 0.01)


@given(box_arrays(1), entire, entire, numbers, numbers)
def test_without_turn_and_shear_corners_stay_corners(boxes, wide, high, right, down):
    moved = transform(boxes, np.array([[wide, 0, right], [0, high, down], [0, 0, 1]]))
    x, y = boxes[:, [0, 2]] * wide + right, boxes[:, [1, 3]] * high + down
    np.testing.assert_allclose(moved, np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], axis=1), atol=1e-3)


@given(box_arrays(), sizes, sizes)
def test_clipped_boxes_lie_in_the_image_and_in_the_old_box(boxes, width, height):
    cut = clip(boxes, width, height)
    assert cut.shape == boxes.shape
    assert (cut >= 0).all()
    assert (cut <= [width, height, width, height]).all()
    inside = (boxes[:, :2] <= [width, height]).all(axis=1) & (boxes[:, 2:] >= 0).all(axis=1)
    assert (cut[inside, :2] >= boxes[inside, :2]).all()
    assert (cut[inside, 2:] <= boxes[inside, 2:]).all()


@given(box_arrays(), sizes, sizes)
def test_the_visible_share_is_between_none_and_all(boxes, width, height):
    share = visible(boxes, width, height)
    assert ((share >= 0) & (share <= 1 + 1e-9)).all()
    within = (area(boxes) > 0) & (clip(boxes, width, height) == boxes).all(axis=1)
    np.testing.assert_allclose(share[within], 1)


def test_the_visible_share_is_a_share_of_the_area():
    boxes = np.array([[-5.0, 0, 5, 10], [0, 0, 10, 10], [90, 95, 110, 105], [20, 0, 20, 5], [200, 0, 210, 5]])
    np.testing.assert_allclose(visible(boxes, 100, 100), [0.5, 1, 0.25, 0, 0])


@given(box_arrays(1), box_arrays(1))
def test_overlap_is_symmetric_and_one_only_with_itself(one, other):
    shared = overlap(one, other)
    assert shared.shape == (len(one), len(other))
    assert ((shared >= 0) & (shared <= 1 + 1e-9)).all()
    np.testing.assert_allclose(shared, overlap(other, one).T)
    assume((area(one) > 1e-3).all())
    np.testing.assert_allclose(np.diag(overlap(one, one)), 1)


def test_overlap_of_boxes_that_share_a_third():
    one = np.array([[0.0, 0, 10, 10]])
    other = np.array([[5.0, 0, 15, 10], [10, 0, 20, 10], [0, 0, 5, 5]])
    np.testing.assert_allclose(overlap(one, other), [[1 / 3, 0, 0.25]])
