"""Axis-aligned boxes in px, as arrays of shape (n, 4): x0, y0, x1, y1.

Pixel (row i, column j) covers [j, j+1] x [i, i+1], so the whole image is the box 0, 0, width, height.
"""

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
Matrix = NDArray[np.float64]


def area(boxes: Boxes) -> NDArray[np.float64]:
    """Return the areas, shape (n,), in px^2."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def transform(boxes: Boxes, matrix: Matrix) -> Boxes:
    """Return the bounds of the boxes after an affine `matrix`, shape (3, 3), on x, y, 1.

    The bounds of a rotated box hold all that the box held, and some of its surround.
    """
    corners = np.stack([boxes[:, [0, 2, 2, 0]], boxes[:, [1, 1, 3, 3]], np.ones((len(boxes), 4))], 1)
    moved = np.einsum("ij,njk->nik", matrix[:2], corners)
    return np.concatenate([moved.min(axis=2), moved.max(axis=2)], axis=1)


def clip(boxes: Boxes, width: float, height: float) -> Boxes:
    """Cut the boxes to an image of `width` x `height` px."""
    return np.clip(boxes, 0, [width, height, width, height])


def visible(boxes: Boxes, width: float, height: float) -> NDArray[np.float64]:
    """Return which share of each box's area lies inside the image, shape (n,), 0 to 1."""
    inside = area(clip(boxes, width, height))
    return np.divide(inside, area(boxes), out=np.zeros(len(boxes)), where=area(boxes) > 0)


def overlap(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """Return the intersection over union of each of `one` with each of `other`, shape (n, m)."""
    least = np.maximum(one[:, None, :2], other[None, :, :2])
    most = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.prod(np.clip(most - least, 0, None), axis=2)
    union = area(one)[:, None] + area(other)[None, :] - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0))
