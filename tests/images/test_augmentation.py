"""Copies are drawn per image, and boxes follow the pixels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.images.augmentation import Change, apply_to_boxes, apply_to_image, draw, matrix_of
from sonotrace.params.augment import AugmentOne

WIDTH, HEIGHT = 96, 72
STILL = Change(
    flip=False, angle=0.0, shear=0.0, zoom=1.0, shift_x=0.0, shift_y=0.0, blur=0.0, brightness=0.0, contrast=1.0
)
NOTHING = AugmentOne(
    copies=1,
    seed=1,
    rotation=[0, 0],
    shift=0,
    zoom=0,
    shear=0,
    flip=0,
    stretch=0,
    blur=0,
    brightness=0,
    contrast=0,
    gamma=0,
    speckle=0,
    blank=0,
    border=0,
    share=1,
    policy="limits",
    min_visible=0.3,
)
EVERYTHING = NOTHING.model_copy(
    update={
        "rotation": [5, 10],
        "shift": 0.1,
        "zoom": 0.2,
        "shear": 0.3,
        "flip": 0.5,
        "blur": 2,
        "brightness": 0.1,
        "contrast": 0.2,
    }
)

moves = {
    "flip": st.booleans(),
    "stretch": st.floats(0.8, 1.25),
    "zoom": st.floats(0.6, 1.4),
    "shift_x": st.floats(-20, 20),
    "shift_y": st.floats(-20, 20),
    "blur": st.just(0.0),
    "brightness": st.just(0.0),
    "contrast": st.just(1.0),
}
straight = st.builds(Change, angle=st.just(0.0), shear=st.just(0.0), **moves)
any_change = st.builds(
    Change, angle=st.floats(-180, 180), shear=st.floats(-0.5, 0.5), shear_y=st.just(0.0) | st.floats(-0.5, 0.5), **moves
)


@st.composite
def boxes(draw):
    x0, y0 = draw(st.integers(0, WIDTH - 12)), draw(st.integers(0, HEIGHT - 12))
    return np.array([[x0, y0, draw(st.integers(x0 + 12, WIDTH)), draw(st.integers(y0 + 12, HEIGHT))]], float)


def _drawn(box):
    x0, y0, x1, y1 = box[0].astype(int)
    image = np.zeros((HEIGHT, WIDTH), np.uint8)
    image[y0:y1, x0:x1] = 255
    return image


def _filled(box):
    """Draw the ellipse that fills a box."""
    x0, y0, x1, y1 = box[0]
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    inside = ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2 <= 1
    return np.where(inside, np.uint8(255), np.uint8(0))


def _bright_bounds(image):
    rows, columns = np.nonzero(image > 127)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) if len(rows) else None


@given(boxes(), any_change)
def test_bright_pixels_lie_inside_the_moved_box(box, change):
    moved, kept = apply_to_boxes(box, change, WIDTH, HEIGHT, 0)
    bounds = _bright_bounds(apply_to_image(_filled(box), change))
    if bounds is None:
        return
    assert kept.all()
    assert (bounds[:2] >= moved[0, :2] - 1.5).all()
    assert (bounds[2:] <= moved[0, 2:] + 1.5).all()


@given(boxes(), straight)
def test_without_turning_bright_pixels_touch_the_sides_of_the_moved_box(box, change):
    moved, kept = apply_to_boxes(box, change, WIDTH, HEIGHT, 0.2)
    if kept.any():
        np.testing.assert_allclose(_bright_bounds(apply_to_image(_drawn(box), change)), moved[0], atol=1.01)


@given(boxes())
def test_a_flip_moves_pixels_and_boxes_exactly(box):
    flip = replace(STILL, flip=True)
    moved, kept = apply_to_boxes(box, flip, WIDTH, HEIGHT, 0.3)
    image = apply_to_image(_drawn(box), flip)
    assert kept.all()
    assert (image == _drawn(box)[:, ::-1]).all()
    np.testing.assert_allclose(moved[0], _bright_bounds(image), atol=1e-9)


@given(boxes(), any_change, st.floats(0, 1), st.floats(0, 2 * np.pi))
def test_a_point_of_what_fills_a_box_is_in_the_moved_box_where_it_is_in_view(box, change, out, around):
    reach = out * np.array([np.cos(around), np.sin(around)]) * (box[0, 2:] - box[0, :2]) / 2
    point = (box[0, :2] + box[0, 2:]) / 2 + reach
    x, y, _ = matrix_of(change, WIDTH, HEIGHT) @ [*point, 1]
    moved, kept = apply_to_boxes(box, change, WIDTH, HEIGHT, 0)
    if not (1e-3 < x < WIDTH - 1e-3 and 1e-3 < y < HEIGHT - 1e-3):
        return
    assert kept.all()
    assert moved[0, 0] - 1e-6 <= x <= moved[0, 2] + 1e-6
    assert moved[0, 1] - 1e-6 <= y <= moved[0, 3] + 1e-6


@given(boxes(), any_change, st.floats(0, 1))
def test_kept_boxes_lie_within_the_image(box, change, least):
    moved, kept = apply_to_boxes(np.repeat(box, 3, axis=0), change, WIDTH, HEIGHT, least)
    assert kept.shape == (3,)
    assert len(moved) == kept.sum()
    assert (moved >= 0).all()
    assert (moved <= [WIDTH, HEIGHT, WIDTH, HEIGHT]).all()
    assert (moved[:, 2:] > moved[:, :2]).all()


def test_boxes_mostly_out_of_view_are_dropped():
    shifted = replace(STILL, shift_x=30.0)
    pair = np.array([[WIDTH - 40.0, 10, WIDTH, 20], [0, 10, 20, 20], [WIDTH - 20, 0, WIDTH, 9]])
    moved, kept = apply_to_boxes(pair, shifted, WIDTH, HEIGHT, 0.3)
    assert kept.tolist() == [False, True, False]  # 10 of 40 px in view, all, none
    np.testing.assert_allclose(moved, [[30, 10, 50, 20]])
    assert apply_to_boxes(pair, shifted, WIDTH, HEIGHT, 0.2)[1].tolist() == [True, True, False]
    assert apply_to_boxes(pair, shifted, WIDTH, HEIGHT, 0)[1].tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (replace(STILL, angle=90.0), (24, 0), (0, -24)),  # counter-clockwise: from right of the centre to above it
        (replace(STILL, shear=0.5), (0, 20), (10, 20)),
        (replace(STILL, zoom=1.25), (8, 4), (10, 5)),
        (replace(STILL, shift_x=3.0, shift_y=-2.0), (0, 0), (3, -2)),
        (replace(STILL, flip=True, shift_x=3.0), (5, 1), (-2, 1)),
        (replace(STILL, flip=True, angle=90.0), (24, 0), (0, 24)),
        (replace(STILL, shear=0.5, angle=90.0), (0, 20), (20, -10)),
    ],
)
def test_each_change_moves_points_about_the_centre(change, before, after):
    centre = np.array([WIDTH / 2, HEIGHT / 2])
    x, y, _ = matrix_of(change, WIDTH, HEIGHT) @ [*(centre + before), 1]
    np.testing.assert_allclose([x, y], centre + after, atol=1e-9)


def test_a_turn_by_half_a_circle_turns_the_image():
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    turned = apply_to_image(image, replace(STILL, angle=180.0)).astype(int)
    assert np.abs(turned - image[::-1, ::-1])[1:-1, 1:-1].max() <= 1


@given(st.integers(0, 2**32 - 1), st.text(max_size=8), st.integers(1, 9))
def test_parameters_at_zero_leave_image_and_boxes_as_they_are(seed, name, copy):
    image = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    change = draw(NOTHING.model_copy(update={"seed": seed}), name, copy, WIDTH, HEIGHT)
    assert (apply_to_image(image, change) == image).all()
    whole = np.array([[0.0, 0, WIDTH, HEIGHT], [3, 4, 5, 6]])
    np.testing.assert_allclose(apply_to_boxes(whole, change, WIDTH, HEIGHT, 1)[0], whole)


@pytest.mark.parametrize("tone", [{}, {"brightness": 0.5}, {"contrast": 0.5}])
def test_what_comes_into_view_is_black(tone):
    change = replace(STILL, angle=15.0, zoom=0.8, **tone)
    image = apply_to_image(np.full((HEIGHT, WIDTH), 200, np.uint8), change)
    assert not image[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert image[HEIGHT // 2, WIDTH // 2] > 100


def test_brightness_adds_and_contrast_spreads_about_the_mean():
    image = np.repeat(np.array([[50, 150]], np.uint8), 10, axis=0)
    assert apply_to_image(image, replace(STILL, brightness=0.2))[0].tolist() == [101, 201]
    assert apply_to_image(image, replace(STILL, contrast=1.5))[0].tolist() == [25, 175]
    assert apply_to_image(image, replace(STILL, brightness=-0.4))[0].tolist() == [0, 48]


def test_blur_spreads_a_point():
    image = np.zeros((HEIGHT, WIDTH), np.uint8)
    image[30, 40] = 255
    blurred = apply_to_image(image, replace(STILL, blur=2.0))
    assert 0 < blurred[30, 40] < 30
    assert blurred[30, 43] > 0


@given(st.text(max_size=12), st.integers(1, 20))
def test_a_copy_depends_on_seed_image_and_number_alone(name, copy):
    change = draw(EVERYTHING, name, copy, WIDTH, HEIGHT)
    assert draw(EVERYTHING, name, copy, WIDTH, HEIGHT) == change
    assert draw(EVERYTHING.model_copy(update={"copies": 99}), name, copy, WIDTH, HEIGHT) == change
    assert draw(EVERYTHING, name, copy + 1, WIDTH, HEIGHT) != change
    assert draw(EVERYTHING, name + "x", copy, WIDTH, HEIGHT) != change
    assert draw(EVERYTHING.model_copy(update={"seed": 2}), name, copy, WIDTH, HEIGHT) != change


def test_changes_stay_within_their_limits_and_reach_both_ways():
    changes = [draw(EVERYTHING, str(number), 1, WIDTH, HEIGHT) for number in range(400)]
    angles = np.array([change.angle for change in changes])
    assert ((np.abs(angles) >= 5) & (np.abs(angles) <= 10)).all()
    assert 0.4 < (angles > 0).mean() < 0.6
    assert 0.4 < np.mean([change.flip for change in changes]) < 0.6
    for field, middle, limit in (
        ("shear", 0, 0.3),
        ("zoom", 1, 0.2),
        ("shift_x", 0, 0.1 * WIDTH),
        ("shift_y", 0, 0.1 * HEIGHT),
        ("brightness", 0, 0.1),
        ("contrast", 1, 0.2),
        ("blur", 1, 1),
    ):
        values = np.array([getattr(change, field) for change in changes]) - middle
        assert np.abs(values).max() <= limit
        assert values.min() < -0.9 * limit
        assert values.max() > 0.9 * limit


@given(share=st.floats(0.05, 0.5), edge=st.integers(0, 3))
def test_a_band_blanks_one_edge_and_nothing_else(share, edge):
    changed = apply_to_image(np.full((HEIGHT, WIDTH), 200, np.uint8), replace(STILL, border=share, edge=edge))
    width = round(share * (HEIGHT if edge % 2 else WIDTH))
    rows, columns = np.nonzero(changed == 0)
    distance = (columns, rows, WIDTH - 1 - columns, HEIGHT - 1 - rows)[edge]
    assert len(rows) == width * (WIDTH if edge % 2 else HEIGHT)
    assert (distance < width).all()
    assert (changed[changed != 0] == 200).all()


@given(left=st.floats(0, 0.5), top=st.floats(0, 0.5), wide=st.floats(0.1, 0.5), high=st.floats(0.1, 0.5))
def test_a_blank_is_one_rectangle_of_its_size(left, top, wide, high):
    changed = apply_to_image(np.full((HEIGHT, WIDTH), 200, np.uint8), replace(STILL, blank=(left, top, wide, high)))
    rows, columns = np.nonzero(changed == 0)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (round(high * HEIGHT), round(wide * WIDTH))
    assert len(rows) == round(high * HEIGHT) * round(wide * WIDTH)


@given(seed=st.integers(0, 2**32 - 1), speckle=st.floats(0.05, 0.3))
def test_speckle_keeps_black_black_and_the_mean_about_the_same(seed, speckle):
    image = np.full((HEIGHT, WIDTH), 100, np.uint8)
    image[:, :20] = 0
    change = replace(STILL, speckle=speckle, seed=seed)
    changed = apply_to_image(image, change)
    assert (changed[:, :20] == 0).all()
    assert changed[:, 20:].std() == pytest.approx(100 * speckle, rel=0.4)
    assert changed[:, 20:].mean() == pytest.approx(100, abs=25 * speckle + 5)
    assert (apply_to_image(image, change) == changed).all()


def test_gamma_keeps_black_and_white_and_the_order():
    image = np.arange(256, dtype=np.uint8)[None].repeat(2, axis=0)
    for gamma in (0.5, 2.0):
        changed = apply_to_image(image, replace(STILL, gamma=gamma))[0].astype(int)
        assert (changed[0], changed[255]) == (0, 255)
        assert (np.diff(changed) >= 0).all()
        assert (changed[128] > 128) == (gamma < 1)


def test_only_a_share_of_the_copies_is_blurred_speckled_and_blanked():
    params = NOTHING.model_copy(update={"blur": 2.0, "speckle": 0.3, "blank": 0.4, "border": 0.2, "share": 0.3})
    drawn = [draw(params, f"{number:064x}", 1, WIDTH, HEIGHT) for number in range(400)]
    for name in ("blur", "speckle", "border"):
        assert np.mean([getattr(change, name) > 0 for change in drawn]) == pytest.approx(0.3, abs=0.08)
    assert np.mean([change.blank[2] > 0 for change in drawn]) == pytest.approx(0.3, abs=0.08)


TRIVIAL = NOTHING.model_copy(update={"policy": "trivial", "flip": 0.5})
PARTS = ("angle", "shear", "shear_y", "shift_x", "shift_y", "gain", "contrast", "sharpening", "step", "inverted_from")


def test_trivial_augment_changes_one_thing_and_each_about_as_often():
    counts = dict.fromkeys((*PARTS, "nothing"), 0)
    flips = 0
    for number in range(2000):
        change = draw(TRIVIAL, f"{number}", 1, WIDTH, HEIGHT)
        flips += change.flip
        still = replace(change, flip=False, **{part: getattr(STILL, part) for part in PARTS})
        assert still == STILL
        changed = [part for part in PARTS if getattr(change, part) != getattr(STILL, part)]
        assert len(changed) <= 1
        counts[changed[0] if changed else "nothing"] += 1
    assert 900 < flips < 1100
    assert min(counts.values()) > 120
    assert max(counts.values()) < 260


@pytest.mark.parametrize(
    ("part", "value", "expected"),
    [
        ("gain", 1.5, [0, 15, 150, 255]),
        ("step", 64, [0, 0, 64, 192]),
        ("inverted_from", 100, [0, 10, 155, 55]),
    ],
)
def test_grey_levels_follow_their_rule_and_black_stays_black(part, value, expected):
    levels = np.array([[0, 10, 100, 200]] * 2, np.uint8)
    assert apply_to_image(levels, replace(STILL, **{part: value}))[0].tolist() == expected


def test_sharpening_spreads_levels_at_an_edge_and_blurring_draws_them_together():
    edge = np.repeat(np.array([[100] * 16 + [150] * 16], np.uint8), 16, axis=0)
    sharp, soft = (apply_to_image(edge, replace(STILL, sharpening=value)) for value in (2.0, -0.9))
    assert np.ptp(sharp[:, 8:-8].astype(int)) > 60
    assert abs(int(soft[8, 16]) - int(soft[8, 15])) < 50
