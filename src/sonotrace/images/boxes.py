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
    """Return the bounds of the ellipses that fill the boxes, after an affine `matrix`, shape (3, 3), on x, y, 1.

    The bounds of the corners of a turned box are larger than what is in it, and more so for each turn; those of the
    ellipse are near what one would draw anew (Kalra et al., "Towards Rotation Invariance in Object Detection", ICCV
    2021). Without turn and shear both are the same, and exact.
    """
    centres, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    x, y, wide, high = *centres.T[:, :, None], *half.T[:, :, None]
    across, down, shift = matrix[:2].T  # products of matrices would depend on the CPU in their last digits
    moved = x * across + y * down + shift
    reach = np.sqrt((wide * across) ** 2 + (high * down) ** 2)
    return np.concatenate([moved - reach, moved + reach], axis=1)


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
