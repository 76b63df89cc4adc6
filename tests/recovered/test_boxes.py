"""A box comes back from the boxes of its turned copies."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.recovered.boxes import fit, matched, turned, turned_back, turned_in_place

WIDTH, HEIGHT = 640, 432
angles = st.floats(-12, 12)


@st.composite
def boxes(draw):
    """Draw one box that stays in the image however it is turned by up to 12 degrees, as shape (1, 4)."""
    width, height = draw(st.floats(20, 360)), draw(st.floats(20, 160))
    x, y = WIDTH / 2 + draw(st.floats(-40, 40)), HEIGHT / 2 + draw(st.floats(-40, 40))
    return np.array([[x - width / 2, y - height / 2, x + width / 2, y + height / 2]])


def _corners_turned(box, degrees):
    """Turn the four corners about the middle, counter-clockwise on screen, and bound them."""
    x = np.array([box[0, 0], box[0, 2], box[0, 2], box[0, 0]]) - WIDTH / 2
    y = np.array([box[0, 1], box[0, 1], box[0, 3], box[0, 3]]) - HEIGHT / 2
    radians = np.deg2rad(degrees)
    across = np.cos(radians) * x + np.sin(radians) * y + WIDTH / 2
    down = -np.sin(radians) * x + np.cos(radians) * y + HEIGHT / 2
    return np.array([[across.min(), down.min(), across.max(), down.max()]])


@given(boxes(), angles)
def test_a_turned_box_bounds_its_turned_corners(box, degrees):
    np.testing.assert_allclose(turned(box, degrees, WIDTH, HEIGHT), _corners_turned(box, degrees), atol=1e-6)


@given(boxes(), angles)
def test_turning_back_undoes_turning(box, degrees):
    centres, sizes = turned_back(_corners_turned(box, degrees), degrees, WIDTH, HEIGHT)
    np.testing.assert_allclose(sizes, box[:, 2:] - box[:, :2], atol=1e-6)
    np.testing.assert_allclose(centres, (box[:, :2] + box[:, 2:]) / 2, atol=1e-6)


@given(boxes(), st.tuples(angles, angles, angles))
def test_a_box_comes_back_from_copies_rounded_to_half_px(box, turns):
    copies = np.concatenate([np.round(2 * _corners_turned(box, turn)) / 2 for turn in turns])
    found = fit(copies, np.array(turns), WIDTH, HEIGHT)
    np.testing.assert_allclose(found.box, box[0], atol=1)
    assert found.residuals.max() < 1.5
    assert (found.own_turns < np.degrees(1.5 / (box[0, 2:] - box[0, :2]).max()) + 0.5).all()


@given(boxes(), st.tuples(angles, angles), st.tuples(st.floats(1, 5), st.floats(1, 5)))
def test_boxes_that_were_turned_by_themselves_are_told_from_the_one_that_was_not(box, turns, own):
    grown = [_corners_turned(turned_in_place(box, by), turn) for by, turn in zip(own, turns, strict=True)]
    found = fit(np.concatenate([box, *grown]), np.array([0, *turns]), WIDTH, HEIGHT)
    if (turned_in_place(box, 1)[0] - box[0])[2:].min() < 1:  # too little growth to see
        return
    np.testing.assert_allclose(found.box, box[0], atol=0.01)
    np.testing.assert_allclose(found.own_turns, [0, *own], atol=0.02)
    assert found.residuals.max() < 0.05


def test_a_copy_whose_box_is_cut_by_the_edge_does_not_count():
    box = np.array([[300.0, 200, 420, 260]])
    copies = np.concatenate([_corners_turned(box, 4), _corners_turned(box, -7), [[0, 200, 90, 260]]])
    found = fit(copies, np.array([4.0, -7, 2]), WIDTH, HEIGHT)
    np.testing.assert_allclose(found.box, box[0], atol=1e-6)
    assert np.isnan(found.residuals).tolist() == [False, False, True]
    assert fit(copies[1:], np.array([-7.0, 2]), WIDTH, HEIGHT) is None


def test_boxes_of_different_things_leave_a_residual():
    box = np.array([[300.0, 200, 420, 260]])
    copies = np.concatenate([_corners_turned(box, 4), _corners_turned(box, -7), _corners_turned(box + 12, 2)])
    assert np.nanmax(fit(copies, np.array([4.0, -7, 2]), WIDTH, HEIGHT).residuals) > 4


def test_a_size_that_no_turned_box_has_is_refused():
    flat = np.array([[100.0, 200, 500, 220]])  # 400 px wide: turned by 10 degrees it is 69 px high at least
    assert fit(np.concatenate([flat, flat]), np.array([10.0, -10]), WIDTH, HEIGHT) is None


def test_boxes_of_one_structure_are_paired_by_their_turned_back_centres():
    left, right = np.array([[100.0, 150, 160, 200]]), np.array([[480.0, 150, 540, 200]])
    other = np.concatenate([_corners_turned(right, 9), _corners_turned(left, 9)])
    names = ["CSP", "CSP"]
    (_, one), (_, two) = matched(
        [(names, np.concatenate([left, right])), (names, other)], np.array([0.0, 9]), WIDTH, HEIGHT
    )
    np.testing.assert_allclose(one, np.concatenate([left, other[1:]]))
    np.testing.assert_allclose(two, np.concatenate([right, other[:1]]))


def test_a_copy_may_have_lost_a_box_but_not_have_another():
    box = np.array([[100.0, 150, 160, 200]])
    pair = (["CSP", "MIDLINE_FALX"], np.concatenate([box, box + 50]))
    groups = matched([pair, (["MIDLINE_FALX"], box + 50)], np.zeros(2), WIDTH, HEIGHT)
    assert [structure for structure, _ in groups] == ["CSP", "MIDLINE_FALX"]
    assert np.isnan(groups[0][1][1]).all()
    assert matched([pair, (["CHOROID_PLEXUS"], box)], np.zeros(2), WIDTH, HEIGHT) is None
