"""Recover one source: how its copies are turned, the boxes before that, and the image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sonotrace.images.boxes import Boxes, Matrix
from sonotrace.images.grey import Grey
from sonotrace.recovered.boxes import OWN_TURN, Fit, are_whole, fit, matched, turned_back
from sonotrace.recovered.registration import (
    LEAST_CONTRAST,
    MOST_TURN,
    STILL,
    Mask,
    Upright,
    core,
    register,
    turning,
    upright,
    whole_degrees,
)

REGISTERED_AT = 640
"""Long side, px, to which larger images are reduced before they are registered."""
LEAST_AGREEMENT = 0.98
"""Least correlation of two copies outside their boxes; copies of one image have 0.999."""
MOST_SHIFT = 2.0
"""Px that the middle may move from copy to copy; services round it."""
MOST_RESIDUAL = 4.0
"""Px, at a long side of 640, that an exported edge may be from the one that the fit predicts."""
CRISP = 1.15
"""How many times as crisp as the others a copy is that was not turned: only it has overlays with edges of one px."""
_AROUND = 4
_AS_SHARP = 0.85


class Copy(NamedTuple):
    """A copy as exported."""

    image: Grey
    structures: list[str]
    corners: Boxes
    """Its boxes, shape (n, 4), px."""


@dataclass(frozen=True)
class Recovery:
    """A source as it was before its copies were turned."""

    turns: NDArray[np.float64]
    """Of each copy against the source, degrees, counter-clockwise."""
    contrast: float
    """Grey levels by which the outline of the turned source stands out."""
    base: int
    """The copy that the image is made of; others only fill what it does not show."""
    matrices: list[Matrix]
    """Of each copy: (3, 3), takes points of the source to it, px of pixel centres."""
    structures: list[str]
    fits: list[Fit]
    """One per structure."""


def recover(copies: Sequence[Copy]) -> Recovery | str:
    """Recover a source from two copies or more, or return why that cannot be done, as `reason: detail`."""
    height, width = copies[0].image.shape
    if any(copy.image.shape != (height, width) for copy in copies):
        return "copies of several sizes: they were cropped or scaled, which cannot be undone"
    scale = min(1.0, REGISTERED_AT / max(height, width))
    small = [_shrunk(copy.image, scale) for copy in copies]
    usable = [_outside(copy, scale, image.shape) for copy, image in zip(copies, small, strict=True)]
    others = zip(small[1:], usable[1:], strict=True)
    registered = [STILL, *(register(small[0], image, usable[0], mask) for image, mask in others)]
    for copy, one in enumerate(registered, 1):
        if one is None or one.agreement < LEAST_AGREEMENT or one.shift > MOST_SHIFT:
            why = "no turn" if one is None else f"correlation {one.agreement:.3f}, middle moved by {one.shift:.1f} px"
            return f"copies do not register: copy {copy} against copy 1: {why}"
    found = [one for one in registered if one]
    relative = whole_degrees(np.array([one.degrees for one in found]))
    at = upright(
        small,
        list(relative),
        lambda angle: _possible(copies, relative + angle),
        _crisp(copies, relative),
        lambda angle: _own_turns(copies, relative + angle),
    )
    if at is None:
        return f"boxes do not fit the turn: no angle up to {MOST_TURN:g} degrees explains how wide and high they are"
    if at.contrast < LEAST_CONTRAST and np.ptp(relative) < OWN_TURN:
        at = Upright(0.0, 0.0, is_clear=True)  # alike, and black nowhere: nothing was turned
    if not at.is_clear:
        return (
            "turn of the copies unknown: the outline of the source hardly stands out against what came into view "
            f"({at.contrast:.2f} grey levels)"
        )
    turns = relative + at.degrees
    boxes = _boxes(copies, turns, MOST_RESIDUAL * max(1.0, max(height, width) / REGISTERED_AT))
    if isinstance(boxes, str):
        return boxes
    structures, fits = boxes
    base = _base(copies, turns, fits)
    full = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2], [0, 0, 1]])
    steps = [np.linalg.inv(full) @ one.matrix @ full for one in found]
    back = np.linalg.inv(steps[base]) @ turning(float(turns[base]), width, height)
    return Recovery(turns, at.contrast, base, [step @ back for step in steps], structures, fits)


def image_of(copies: Sequence[Copy], recovery: Recovery) -> Grey:
    """Return the image of the source: its base turned back, with what that does not show filled from other copies.

    Where what is in a box was turned by itself, that box is taken from the copy in which it was turned least. What no
    copy shows is black. A base that was not turned keeps its pixels.
    """
    height, width = copies[0].image.shape
    base = recovery.base
    still = recovery.turns[base] == 0
    image = copies[base].image.copy() if still else _moved_back(copies[base].image, recovery.matrices[base])
    seen = np.full_like(image, 255) if still else _seen(recovery.matrices[base], width, height)
    for at in sorted(range(len(copies)), key=lambda at: -sharpness(copies[at].image)):
        more = _seen(recovery.matrices[at], width, height)
        fill = (more > 0) & (seen == 0)
        if at != base and fill.any():
            image[fill] = _moved_back(copies[at].image, recovery.matrices[at])[fill]
            seen |= more
    for one in recovery.fits:
        least = int(np.nanargmin(one.own_turns))
        if one.own_turns[base] > OWN_TURN and one.own_turns[least] <= OWN_TURN:
            x0, y0, x1, y1 = _around(one, base)
            moved = _moved_back(copies[least].image, recovery.matrices[least])
            part = np.s_[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
            image[part] = np.where(_seen(recovery.matrices[least], width, height)[part] > 0, moved[part], image[part])
    return image


def sharpness(image: Grey) -> float:
    """Return the mean size of the Laplacian in the core of an image, grey levels; blur and turning lower it."""
    height, width = image.shape
    edges = cv2.Laplacian(image, cv2.CV_32F)
    return float(cv2.mean(np.abs(edges), core(width, height))[0])


def _shrunk(image: Grey, scale: float) -> Grey:
    if scale == 1:
        return image
    height, width = image.shape
    size = round(width * scale), round(height * scale)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _outside(copy: Copy, scale: float, shape: tuple[int, ...]) -> Mask:
    """Mask the boxes of a copy, since services may turn what is in them by itself."""
    height, width = shape
    mask = core(width, height)
    for x0, y0, x1, y1 in copy.corners * scale:
        mask[max(0, int(y0) - _AROUND) : int(y1) + _AROUND + 1, max(0, int(x0) - _AROUND) : int(x1) + _AROUND + 1] = 0
    return mask


def _possible(copies: Sequence[Copy], turns: NDArray[np.float64]) -> bool:
    """Say whether no copy is turned too far and every whole box can have come from one with sides of more than 1 px."""
    height, width = copies[0].image.shape
    return np.abs(turns).max() <= MOST_TURN and all(
        turned_back(copy.corners[are_whole(copy.corners, width, height)], turn, width, height)[1].min(initial=2) > 1
        for copy, turn in zip(copies, turns, strict=True)
    )


def _own_turns(copies: Sequence[Copy], turns: NDArray[np.float64]) -> float:
    """Return by how many degrees boxes must have been turned by themselves on average, if the copies were so."""
    found = _boxes(copies, turns, np.inf)
    own = [] if isinstance(found, str) else [one.own_turns for one in found[1]]
    return float(np.nanmean(own)) if own else 0.0


def _crisp(copies: Sequence[Copy], relative: NDArray[np.float64]) -> float | None:
    """Return the angle of the first copy if the crispest one is not turned, where one is by far the crispest."""
    crispness = np.array([cv2.norm(cv2.Laplacian(copy.image, cv2.CV_32F)) for copy in copies])
    best = int(np.argmax(crispness))
    others = crispness[np.abs(relative - relative[best]) > OWN_TURN]
    return -float(relative[best]) if crispness[best] >= CRISP * others.max(initial=0) else None


def _boxes(copies: Sequence[Copy], turns: NDArray[np.float64], most: float) -> tuple[list[str], list[Fit]] | str:
    height, width = copies[0].image.shape
    groups = matched([(copy.structures, copy.corners) for copy in copies], turns, width, height)
    if groups is None:
        return "boxes differ from copy to copy: " + "; ".join(", ".join(sorted(copy.structures)) for copy in copies)
    fits = []
    for structure, corners in groups:
        one = fit(corners, turns, width, height)
        if one is None:
            return f"boxes do not fit the turn: {structure} is whole in fewer than two copies"
        if np.nanmax(one.residuals) > most:
            worst = np.nanmax(one.residuals)
            return f"boxes do not fit the turn: {structure} is off by {worst:.1f} px, limit {most:.1f} px"
        fits.append(one)
    return [structure for structure, _ in groups], fits


def _base(copies: Sequence[Copy], turns: NDArray[np.float64], fits: list[Fit]) -> int:
    """Choose among copies about as sharp as any: the fewest boxes turned by themselves count first, then the turn."""
    sharp = [sharpness(copy.image) for copy in copies]
    own = [sum(not one.own_turns[at] <= OWN_TURN for one in fits) for at in range(len(copies))]
    chosen = [at for at in range(len(copies)) if sharp[at] >= _AS_SHARP * max(sharp)]
    return min(chosen, key=lambda at: (own[at], round(float(abs(turns[at])), 1)))


def _moved_back(image: Grey, matrix: Matrix) -> Grey:
    height, width = image.shape
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, matrix[:2], (width, height), flags=flags), np.uint8)


def _seen(matrix: Matrix, width: int, height: int) -> Mask:
    """Mask what of the source a copy shows, but for a px at its edge."""
    whole = np.zeros((height, width), np.uint8)
    whole[1:-1, 1:-1] = 255
    seen = cv2.warpAffine(whole, matrix[:2], (width, height), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return np.asarray(seen, np.uint8)


def _around(one: Fit, copy: int) -> tuple[int, int, int, int]:
    """Return whole px around what a copy shows of a box that was turned by itself, in the frame of the source."""
    x0, y0, x1, y1 = one.grown[copy]
    return int(x0) - _AROUND // 2, int(y0) - _AROUND // 2, int(x1) + 1 + _AROUND // 2, int(y1) + 1 + _AROUND // 2
