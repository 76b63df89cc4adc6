"""Angles, boxes and image of a source come back from turned and blurred copies of drawn heads."""

import cv2
import numpy as np
import pytest
from turned_copies import drawn, turn

from sonotrace.recovered.boxes import OWN_TURN
from sonotrace.recovered.source import Copy, image_of, recover


@pytest.fixture(scope="module")
def recovered():
    """Return heads, the angles of three copies each, and what was recovered: any angle, any blur."""
    rng = np.random.default_rng(5)
    found = []
    for seed in range(7):
        source = drawn(seed)
        angles = rng.uniform(3, 11, 3) * rng.choice([-1, 1], 3)
        copies = [turn(source, angle, blur) for angle, blur in zip(angles, rng.uniform(0, 1.25, 3), strict=True)]
        found.append((source, angles, copies, recover(copies)))
    assert all(not isinstance(one, str) for *_, one in found)
    return found


def test_the_median_angle_is_found_to_a_third_of_a_degree(recovered):
    errors = [np.abs(one.turns - angles).max() for _, angles, _, one in recovered]
    assert np.median(errors) < 0.3
    assert max(errors) < 1.2


def test_copies_are_registered_to_a_tenth_of_a_degree(recovered):
    for _, angles, _, one in recovered:
        np.testing.assert_allclose(np.diff(one.turns), np.diff(angles), atol=0.1)


def test_the_median_side_is_found_to_2_percent_or_1_px(recovered):
    errors = []
    for source, _, _, one in recovered:
        assert one.structures == source.structures
        sizes = source.corners[:, 2:] - source.corners[:, :2]
        found = np.array([box.box[2:] - box.box[:2] for box in one.fits])
        errors += list((np.abs(found - sizes) / np.maximum(1, 0.02 * sizes)).ravel())
    assert np.median(errors) < 1


def test_the_image_comes_back(recovered):
    for source, _, copies, one in recovered:
        error = _error(image_of(copies, one), source.image)
        assert error < 0.6 * min(_error(copy.image, source.image) for copy in copies)


def test_what_one_copy_does_not_show_is_filled_from_another():
    source = drawn(5)._replace(image=np.full((432, 640), 90, np.uint8) + drawn(5).image // 4)
    copies = [turn(source, angle) for angle in (9, -9)]
    found = recover(copies)
    shown = np.full((432, 640), 255, np.uint8)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    hidden = cv2.warpAffine(shown, found.matrices[found.base][:2], (640, 432), flags=flags) == 0
    image = image_of(copies, found)
    assert hidden.mean() > 0.05
    assert np.median(np.abs(image[hidden].astype(int) - source.image[hidden])) < 6


def _error(image, truth):
    smooth = [cv2.GaussianBlur(one, (0, 0), 2).astype(float) for one in (image, truth)]
    return np.abs(smooth[0] - smooth[1]).mean()


@pytest.fixture(scope="module")
def as_roboflow():
    """Return a head, and copies by whole degrees: one is as it was, in the others boxes were turned too."""
    source = drawn(3)
    own = [[1.5] * len(source.structures), [0.0] * len(source.structures), [2.4] * len(source.structures)]
    copies = [turn(source, angle, own=by) for angle, by in zip((6, 0, -4), own, strict=True)]
    return source, copies, recover(copies)


def test_a_copy_that_was_not_turned_is_taken_as_it_is(as_roboflow):
    source, copies, found = as_roboflow
    assert found.turns.tolist() == [6, 0, -4]
    assert found.base == 1
    assert (image_of(copies, found) == copies[1].image).all()
    np.testing.assert_allclose([one.box for one in found.fits], source.corners, atol=0.5)


def test_boxes_turned_by_themselves_are_taken_from_a_copy_where_they_were_not(as_roboflow):
    source, copies, _ = as_roboflow
    calm = turn(source, -3, blur=1.5)
    found = recover([copies[0], calm, copies[2]])
    assert found.base != 1  # it is the blurred one
    image = image_of([copies[0], calm, copies[2]], found)
    for one in found.fits:
        assert one.own_turns[1] <= OWN_TURN < one.own_turns[found.base]
        x0, y0, x1, y1 = np.rint(one.box).astype(int)
        inside = np.s_[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4]
        assert _error(image[inside], source.image[inside]) < _error(
            image_of([copies[0], copies[2]], recover([copies[0], copies[2]]))[inside], source.image[inside]
        )


def test_a_box_that_the_edge_of_a_copy_cuts_does_not_count_there(as_roboflow):
    source, (first, *others), found = as_roboflow
    at = source.structures.index("CSP")
    corners = first.corners.copy()
    corners[at] = [0, 200, 30, 203]  # turned by 6 degrees, no whole box is that flat
    again = recover([first._replace(corners=corners), *others])
    assert again.turns.tolist() == found.turns.tolist()
    assert np.isnan(again.fits[at].residuals).tolist() == [True, False, False]
    np.testing.assert_allclose([one.box for one in again.fits], source.corners, atol=0.5)


def test_copies_that_only_differ_in_blur_are_not_turned():
    source = drawn(2)
    found = recover([turn(source, 0, 1.5), turn(source, 0), turn(source, 0, 1.0)])
    assert found.turns.tolist() == [0, 0, 0]
    assert found.base == 1
    np.testing.assert_allclose([one.box for one in found.fits], source.corners, atol=0.3)


def test_the_same_copies_give_the_same_result(as_roboflow):
    _, copies, found = as_roboflow
    again = recover(copies)
    assert (again.turns == found.turns).all()
    assert all((one.box == other.box).all() for one, other in zip(again.fits, found.fits, strict=True))


def _moved(copy, by):
    return copy._replace(corners=copy.corners + np.array([by, 0, by, 0]))


def _without(copy, structure):
    kept = [at for at, name in enumerate(copy.structures) if name != structure]
    return Copy(copy.image, [copy.structures[at] for at in kept], copy.corners[kept])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda copies: [copies[0], turn(drawn(9), 5), copies[2]], "copies do not register: copy 2 against copy 1"),
        (lambda copies: [copies[0], turn(drawn(3), 30), copies[2]], "boxes do not fit the turn: no angle"),
        (lambda copies: [copies[0], copies[1]._replace(image=copies[1].image[:400])], "copies of several sizes"),
        (lambda copies: [copies[0], _moved(copies[1], 14), copies[2]], "boxes do not fit the turn: "),
        (lambda copies: [_without(copies[0], "CSP"), _without(copies[1], "MIDLINE_FALX")], "boxes differ from copy"),
        (lambda copies: [turn(copies[1], 7), turn(copies[1], 7)], None),
    ],
)
def test_what_cannot_be_recovered_says_why(as_roboflow, spoil, reason):
    found = recover(spoil(as_roboflow[1]))
    if reason is None:
        assert found.turns.tolist() == [7, 7]
    else:
        assert isinstance(found, str)
        assert found.startswith(reason)


def test_a_black_surround_hides_the_turn():
    source = drawn(3)
    image = source.image.copy()
    cv2.rectangle(image, (0, 0), (639, 431), 0, 120)
    found = recover([turn(source._replace(image=image), angle) for angle in (4.3, -6.6)])
    assert found.startswith("turn of the copies unknown")
