"""Seeded, geometric and photometric changes of prepared images, with their boxes."""

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np

from sonotrace.images.boxes import Boxes, Matrix, clip, transform, visible
from sonotrace.images.grey import Grey
from sonotrace.params.augment import AugmentOne


@dataclass(frozen=True)
class Change:
    """One drawn change: angles in degrees, shifts and blur in px, the rest as factors or shares."""

    flip: bool
    angle: float
    shear: float
    zoom: float
    shift_x: float
    shift_y: float
    blur: float
    brightness: float
    contrast: float


def draw(params: AugmentOne, sha256: str, copy: int, width: int, height: int) -> Change:
    """Draw the change for copy number `copy` of the image whose bytes, as it was pulled, have that sha256.

    The generator's seed is a hash of the parameters' seed, the bytes and the number, so that neither
    another image in the data set nor another name of this one changes anything here.
    """
    key = hashlib.sha256(f"{params.seed}:{copy}:{sha256}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(key))
    least, most = params.rotation

    def either_way(limit: float) -> float:
        return float(random.uniform(-limit, limit))

    return Change(
        flip=bool(random.random() < params.flip),
        angle=float(random.uniform(least, most) * random.choice([-1, 1])),
        shear=either_way(params.shear),
        zoom=1 + either_way(params.zoom),
        shift_x=either_way(params.shift) * width,
        shift_y=either_way(params.shift) * height,
        blur=float(random.uniform(0, params.blur)),
        brightness=either_way(params.brightness),
        contrast=1 + either_way(params.contrast),
    )


def matrix_of(change: Change, width: int, height: int) -> Matrix:
    """Return the (3, 3) matrix that moves points of the image, in px, about its centre.

    It flips, then shears, turns (positive angles counter-clockwise on screen), zooms and shifts.
    A flip swaps the left and right of the anatomy; shear and unequal frames alter its angles.
    """
    radians = np.deg2rad(change.angle)
    cos, sin = np.cos(radians) * change.zoom, np.sin(radians) * change.zoom
    centre = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    flip = np.diag([-1.0 if change.flip else 1.0, 1, 1])
    shear = np.array([[1, change.shear, 0], [0, 1, 0], [0, 0, 1]])
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    back = np.array([[1, 0, width / 2 + change.shift_x], [0, 1, height / 2 + change.shift_y], [0, 0, 1]])
    return np.asarray(back @ turn @ shear @ flip @ centre)


def apply_to_image(image: Grey, change: Change) -> Grey:
    """Return the changed image, same shape; what comes into view from outside is black."""
    height, width = image.shape
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # pixel centres stand at half px
    matrix = np.linalg.inv(half) @ matrix_of(change, width, height) @ half
    moved = cv2.warpAffine(image, matrix[:2], (width, height), flags=cv2.INTER_LINEAR)
    if change.blur > 0:
        moved = cv2.GaussianBlur(moved, (0, 0), change.blur)
    if change.contrast == 1 and change.brightness == 0:
        return np.asarray(moved, np.uint8)
    levels = np.arange(256, dtype=np.float64)
    mean = float(moved.mean())
    table = (levels - mean) * change.contrast + mean + 255 * change.brightness
    table[0] = 0  # the black around the sector stays black
    return np.asarray(cv2.LUT(moved, np.clip(np.rint(table), 0, 255).astype(np.uint8)))


def apply_to_boxes(
    boxes: Boxes, change: Change, width: int, height: int, min_visible: float
) -> tuple[Boxes, np.ndarray]:
    """Move boxes, shape (n, 4), with the image; clip them, and drop those mostly out of view.

    Returns the kept boxes, shape (k, 4), and which were kept, shape (n,).
    """
    moved = transform(boxes, matrix_of(change, width, height))
    kept = visible(moved, width, height) >= max(min_visible, np.finfo(float).tiny)
    return clip(moved[kept], width, height), kept
