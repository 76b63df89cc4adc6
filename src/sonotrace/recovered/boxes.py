"""The box before its image was turned, from the boxes of several turned copies.

A service that turns an image by t degrees gives each box of width w and height h the bounds of the turned box: its
centre turns with the image, and its sides become w cos t + h sin t and w sin t + h cos t. So the box of one copy and
its angle give w and h back. Some services also turn what is in a box by itself, by an angle that they draw for each
box, before they turn the image; it grows by the same rule, about its own centre. That angle is not known. Since a box
only ever grows, the smallest of the copies counts, and the others say how far they were turned by themselves.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonotrace.images.boxes import Boxes

ROUNDING = 1.0
"""Sides of boxes of several copies, turned back, that differ by at most this many px are the same side."""
OWN_TURN = 0.25
"""Degrees from which a box counts as turned by itself; half a px at the end of a box of 230 px."""
_MOST_OWN_TURN = 15.0


@dataclass(frozen=True)
class Fit:
    """The box before anything was turned, and how well it explains the boxes of the copies."""

    box: NDArray[np.float64]
    """x0, y0, x1, y1, px; in the frame of the image before it was turned."""
    own_turns: NDArray[np.float64]
    """By how many degrees what is in the box was turned by itself, for each copy; NaN for those not used."""
    residuals: NDArray[np.float64]
    """Largest distance of an exported edge from the one that the fit predicts, px, for each copy; NaN likewise."""
    exported: Boxes
    """As they were given, shape (k, 4)."""
    grown: Boxes
    """The box turned by itself as in each copy, shape (k, 4), px in the frame of the source; NaN likewise."""


def are_whole(boxes: Boxes, width: float, height: float) -> NDArray[np.bool_]:
    """Say of each box, shape (n, 4), whether the edge of an image of width x height px does not cut it; no of NaN."""
    inside = (boxes[:, :2] > 0.5) & (boxes[:, 2:] < np.array([width, height]) - 0.5)
    return np.asarray(inside.all(axis=1), np.bool_)


def turned_back(boxes: Boxes, degrees: float, width: float, height: float) -> tuple[Boxes, Boxes]:
    """Return centres and sizes, each of shape (n, 2), of boxes before an image of width x height px was turned.

    A size that no box can have had comes out at or below 0.
    """
    radians = np.deg2rad(degrees)
    cos, sin = np.cos(radians), np.sin(radians)
    middle = np.array([width, height]) / 2
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2 - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle
    mix = np.array([[cos, abs(sin)], [abs(sin), cos]])
    return centres, (boxes[:, 2:] - boxes[:, :2]) @ np.linalg.inv(mix).T


def turned(boxes: Boxes, degrees: float, width: float, height: float) -> Boxes:
    """Return the bounds of boxes, shape (n, 4), after an image of width x height px was turned."""
    radians = np.deg2rad(degrees)
    cos, sin = np.cos(radians), np.sin(radians)
    middle = np.array([width, height]) / 2
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2 - middle) @ np.array([[cos, -sin], [sin, cos]]) + middle
    half = (boxes[:, 2:] - boxes[:, :2]) @ np.array([[cos, abs(sin)], [abs(sin), cos]]) / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def fit(boxes: Boxes, turns: NDArray[np.float64], width: float, height: float) -> Fit | None:
    """Find the box that the boxes of k copies, shape (k, 4), came from; `turns` are the angles of the copies.

    Copies whose box is cut by the edge of the image are left out, since their sides say nothing; NaN corners mark
    copies without the box. Returns None where fewer than two copies are left, or no size is possible.
    """
    used = are_whole(boxes, width, height)
    own_turns, residuals = np.full(len(boxes), np.nan), np.full(len(boxes), np.nan)
    if used.sum() < 2:
        return None
    back = [turned_back(box[None], turn, width, height) for box, turn in zip(boxes[used], turns[used], strict=True)]
    centres, sizes = (np.concatenate(part) for part in zip(*back, strict=True))
    if sizes.min() <= 1:
        return None
    smallest = sizes[int(np.argmin(sizes.prod(axis=1)))]
    alike = (np.abs(sizes - smallest) <= ROUNDING).all(axis=1)
    size, centre = np.median(sizes[alike], axis=0), np.median(centres, axis=0)
    box = np.concatenate([centre - size / 2, centre + size / 2])
    own_turns[used] = [_own_turn(size, one) for one in sizes]
    grown = np.full((len(boxes), 4), np.nan)
    for copy in np.nonzero(used)[0]:
        grown[copy] = turned_in_place(box[None], own_turns[copy])[0]
        residuals[copy] = np.abs(turned(grown[copy][None], turns[copy], width, height)[0] - boxes[copy]).max()
    return Fit(box, own_turns, residuals, boxes, grown)


def turned_in_place(boxes: Boxes, degrees: float) -> Boxes:
    """Return the bounds of boxes, shape (n, 4), each turned about its own centre."""
    radians = np.deg2rad(degrees)
    cos, sin = abs(np.cos(radians)), abs(np.sin(radians))
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    half = sizes @ np.array([[cos, sin], [sin, cos]]) / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def _own_turn(size: NDArray[np.float64], grown: NDArray[np.float64]) -> float:
    """Return the angle that makes a box of this size grow to the other best, degrees."""
    angles = np.arange(0, _MOST_OWN_TURN, 0.01)
    radians = np.deg2rad(angles)
    cos, sin = np.cos(radians)[:, None], np.sin(radians)[:, None]
    distances = ((size * cos + size[::-1] * sin - grown) ** 2).sum(axis=1)
    return float(angles[int(np.argmin(distances))])


def matched(
    copies: list[tuple[list[str], Boxes]], turns: NDArray[np.float64], width: float, height: float
) -> list[tuple[str, Boxes]] | None:
    """Bring the boxes of several copies together: structure and corners, shape (k, 4), NaN where a copy lacks it.

    `copies` holds structures and boxes of each. Of boxes of one structure, those are the same whose centres, turned
    back, are nearest. Returns None where no copy has every box that another has; one may have lost some at its edge.
    """
    counts = [Counter(structures) for structures, _ in copies]
    lead = max(range(len(copies)), key=lambda at: counts[at].total())
    if any(count - counts[lead] for count in counts):
        return None
    centres = [turned_back(boxes, turn, width, height)[0] for (_, boxes), turn in zip(copies, turns, strict=True)]
    groups = [(structure, np.full((len(copies), 4), np.nan)) for structure in copies[lead][0]]
    for at, (structures, boxes) in enumerate(copies):
        free = set(range(len(groups)))
        for structure, box, centre in zip(structures, boxes, centres[at], strict=True):
            alike = [index for index in sorted(free) if groups[index][0] == structure]
            nearest = min(alike, key=lambda index: float(np.hypot(*(centres[lead][index] - centre))))
            groups[nearest][1][at] = box
            free.remove(nearest)
    return groups
