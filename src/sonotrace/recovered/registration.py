"""By how much copies of an image are turned: against each other, and against the image that they were made of.

Angles are in degrees, positive counter-clockwise on screen, about the middle of the image. Points are in px of pixel
centres: the middle of an image is ((width - 1) / 2, (height - 1) / 2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sonotrace.images.boxes import Matrix
from sonotrace.images.grey import Grey

Mask = NDArray[np.uint8]
"""Shape of its image; 255 where a pixel may be used, else 0."""

MOST_TURN = 15.0
"""Copies turned further are not looked for: what they show in common would be little."""
WHOLE = 0.05
"""Degrees around a whole number that count as whole; services turn by whole degrees."""

LEAST_CONTRAST, LEAST_FAVOURED = 1.0, 0.4
"""Grey levels by which the outline must stand out; and where other evidence speaks for the angle too."""
LEAD = 0.3
"""Share of its contrast by which an angle must lead all others; by less, it gives way to a favoured one."""

_SHRUNK = 0.25
_SMOOTH = 2.0
_STEP, _FINE = 0.5, 0.05
_NEAR, _FAR = 0.5, 2.0
_STRAIN = 2.0
_CUT = 10


@dataclass(frozen=True)
class Registration:
    """How one image is turned and shifted against another."""

    degrees: float
    matrix: Matrix
    """Shape (3, 3); takes points of the one to the other."""
    shift: float
    """How far the middle moves, px."""
    agreement: float
    """Correlation of the two, smoothed, where both may be used; 1 for equal images."""


STILL = Registration(0.0, np.eye(3), 0.0, 1.0)
"""Of an image against itself."""


def turning(degrees: float, width: int, height: int) -> Matrix:
    """Return the (3, 3) matrix that turns points about the middle of an image."""
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    return np.vstack([matrix, [0, 0, 1]])


def whole_degrees(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return angles as whole degrees where all of them nearly are, else as they are."""
    whole = np.rint(turns)
    return whole if bool((np.abs(turns - whole) < WHOLE).all()) else turns


def core(width: int, height: int) -> Mask:
    """Return a mask of what every copy shows, however it is turned: not the corners, nor black that came into view."""
    tangent = np.tan(np.deg2rad(MOST_TURN))
    across, down = round(height / 2 * tangent), round(width / 2 * tangent)
    mask = np.zeros((height, width), np.uint8)
    mask[down : height - down, across : width - across] = 255
    return mask


def register(one: Grey, other: Grey, usable_one: Mask, usable_other: Mask) -> Registration | None:
    """Find the turn and shift that take `one` to `other`, both of one shape, or None where there is none.

    Angles in steps of half a degree are tried on small, smoothed images, by their correlation where both may be used.
    From the best of them, the enhanced correlation coefficient is maximised (Evangelidis and Psarakis, PAMI 2008).
    """
    height, width = one.shape
    start = _coarse(one, other, usable_one, usable_other)
    matrix = turning(start, width, height)[:2].astype(np.float32)
    both = cv2.bitwise_and(cv2.warpAffine(usable_one, matrix, (width, height), flags=cv2.INTER_NEAREST), usable_other)
    first, second = (cv2.GaussianBlur(image, (0, 0), _SMOOTH).astype(np.float32) for image in (one, other))
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 100, 1e-7)
    try:
        agreement, found = cv2.findTransformECC(first, second, matrix, cv2.MOTION_EUCLIDEAN, until, both, 1)
    except cv2.error:  # it does not converge
        return None
    whole = np.vstack([found, [0, 0, 1]]).astype(np.float64)
    middle = np.array([(width - 1) / 2, (height - 1) / 2, 1])
    shift = float(np.hypot(*((whole @ middle) - middle)[:2]))
    return Registration(-float(np.degrees(np.arctan2(whole[1, 0], whole[0, 0]))), whole, shift, float(agreement))


def _coarse(one: Grey, other: Grey, usable_one: Mask, usable_other: Mask) -> float:
    """Return which of the angles in steps of half a degree takes `one` to `other` best."""

    def shrunk(image: NDArray[Any]) -> NDArray[np.float32]:
        return cv2.resize(image, None, fx=_SHRUNK, fy=_SHRUNK, interpolation=cv2.INTER_AREA).astype(np.float32)

    smooth = [shrunk(cv2.GaussianBlur(image, (0, 0), 1.5 * _SMOOTH)) for image in (one, other)]
    masks = [(shrunk(mask) > 250).astype(np.float32) for mask in (usable_one, usable_other)]
    height, width = smooth[0].shape
    angles = np.arange(-2 * MOST_TURN, 2 * MOST_TURN + _STEP / 2, _STEP)
    agreements = []
    for angle in angles:
        matrix = turning(angle, width, height)[:2]
        moved, seen = (cv2.warpAffine(image, matrix, (width, height)) for image in (smooth[0], masks[0]))
        both = (seen > 0.99) & (masks[1] > 0)
        agreements.append(_correlation(moved[both], smooth[1][both]))
    return float(angles[int(np.argmax(agreements))])


def _correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    if one.size < 2:
        return -1.0
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum() + 1e-9))


@dataclass(frozen=True)
class Upright:
    """How the first of several copies is turned against the image that they were made of."""

    degrees: float
    contrast: float
    """Grey levels by which the outline of that image stands out."""
    is_clear: bool
    """Whether it stands out enough, and more than at other angles."""


def upright(
    images: Sequence[Grey],
    turns: Sequence[float],
    possible: Callable[[float], bool] = lambda _: True,
    favoured: float | None = None,
    strain: Callable[[float], float] = lambda _: 0.0,
) -> Upright | None:
    """Find by which angle the first image is turned, from the outline of the image before it was turned.

    `turns` says of each image how far it is turned beyond the first; `possible` rules angles of the first out, and
    `favoured` is one that other evidence speaks for: it is taken where the outline stands out there nearly as much as
    anywhere. A turned image shows parts of the outline: inside is tissue, outside the black that came into view. The
    angle is the one at which the pixels just inside are brightest against those just outside, over all images. Where
    `turns` are whole degrees, only whole degrees are tried. Else the best half degree is refined: `strain`, in degrees,
    says how badly an angle explains other things, and counts against it. Returns None where no angle is possible.
    """
    whole = all(float(turn).is_integer() for turn in turns)
    step = 1.0 if whole else _STEP
    angles = np.array([angle for angle in np.arange(-MOST_TURN, MOST_TURN + step / 2, step) if possible(angle)])
    if not angles.size:
        return None
    contrasts = np.array([_contrast(images, turns, angle) for angle in angles])
    best = int(np.argmax(contrasts))
    degrees, contrast = float(angles[best]), float(contrasts[best])
    if favoured is not None and possible(favoured):
        there = _contrast(images, turns, favoured)
        if there >= max(LEAST_FAVOURED, (1 - LEAD) * contrast):
            return Upright(favoured, there, is_clear=True)
    others = contrasts[np.abs(angles - degrees) > (0.5 if whole else 1.5)]
    is_clear = contrast >= LEAST_CONTRAST and others.max(initial=0) <= (1 - LEAD) * contrast
    if not whole:
        near = degrees + np.arange(-1, 1 + _FINE / 2, _FINE)
        fine = np.array([angle for angle in near if possible(float(angle))] or [degrees])
        steps = np.array([_step(images, turns, angle) for angle in fine])
        strains = np.array([strain(angle) for angle in fine])
        degrees = float(fine[int(np.argmax(steps / max(steps.max(), 1e-9) - strains / _STRAIN))])
    return Upright(degrees, contrast, bool(is_clear))


def _contrast(images: Sequence[Grey], turns: Sequence[float], angle: float) -> float:
    """Return how much brighter it is 2 px inside the outline than outside, in grey levels cut at 10.

    What is bright outside counts twice. Little of the outline in view counts for little.
    """
    total, seen, length = 0.0, 0, 0
    for image, turn in zip(images, turns, strict=True):
        (inside, one), (outside, other) = (_along(image, angle + turn, side) for side in (-_FAR, _FAR))
        both = one & other
        total += float((np.minimum(inside, _CUT) - 2 * np.minimum(outside, _CUT))[both].sum())
        seen, length = seen + int(both.sum()), length + both.size
    return total / (seen + length / 64)


def _step(images: Sequence[Grey], turns: Sequence[float], angle: float) -> float:
    """Return how steep the step at the outline is, as a share of its brightness, so that blur matters little."""
    total, seen, length = 0.0, 0, 0
    for image, turn in zip(images, turns, strict=True):
        (inside, one), (outside, other) = (_along(image, angle + turn, side) for side in (-_NEAR, _NEAR))
        both = one & other
        total += float(((inside - outside) / (inside + outside + 4))[both].sum())
        seen, length = seen + int(both.sum()), length + both.size
    return total / (seen + length / 64)


def _along(image: Grey, angle: float, beyond: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Sample an image along the turned outline, `beyond` px outside it; say which samples are in the image."""
    height, width = image.shape
    x, y = np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2
    right, low = np.full(height, width / 2 + beyond), np.full(width, height / 2 + beyond)
    points = np.stack([np.concatenate([x, x, -right, right]), np.concatenate([-low, low, y, y])])
    radians = np.deg2rad(angle)
    cos, sin = np.cos(radians), np.sin(radians)
    across, down = np.array([[cos, sin], [-sin, cos]]) @ points + np.array([[(width - 1) / 2], [(height - 1) / 2]])
    inside = (across >= 0) & (down >= 0) & (across <= width - 1) & (down <= height - 1)
    sampled = cv2.remap(image, across.astype(np.float32)[None], down.astype(np.float32)[None], cv2.INTER_LINEAR)
    return sampled[0].astype(np.float32), inside
