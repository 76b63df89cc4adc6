"""Seeded, geometric and photometric changes of prepared images, with their boxes."""

import hashlib
from dataclasses import dataclass, replace

import cv2
import numpy as np

from sonotrace.images.boxes import Boxes, Matrix, clip, transform, visible
from sonotrace.images.grey import Grey
from sonotrace.params.augment import AugmentOne


@dataclass(frozen=True)
class Change:
    """One drawn change: angles in degrees, shifts and blur in px, the rest as factors or shares.

    The default of what does not concern every copy is that it stays as it is.
    """

    flip: bool
    angle: float
    shear: float
    zoom: float
    shift_x: float
    shift_y: float
    blur: float
    brightness: float
    contrast: float
    stretch: float = 1.0
    """How much wider it becomes; it becomes less high by the same factor."""
    gamma: float = 1.0
    """Exponent of the grey levels, as shares of full scale."""
    speckle: float = 0.0
    """Standard deviation of the factors that the pixels are multiplied with."""
    grain: float = 1.0
    """Size of the speckle, px (standard deviation of a Gaussian)."""
    blank: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """x, y, width and height of a blanked rectangle, as shares of the image."""
    border: float = 0.0
    """Width of a blanked band along one edge, as a share of the image."""
    edge: int = 0
    """Which edge: 0 left, then clockwise."""
    seed: int = 0
    """Of the speckle."""
    shear_y: float = 0.0
    """Shift downwards per px to the right."""
    gain: float = 1.0
    """What the grey levels are multiplied with."""
    sharpening: float = 0.0
    """What is added of the difference from a version blurred by 1 px; below 0 it blurs."""
    step: int = 1
    """Grey levels become multiples of it."""
    inverted_from: float = 256.0
    """Grey levels from this one on are inverted."""


_UNCHANGED = Change(
    flip=False, angle=0, shear=0, zoom=1, shift_x=0, shift_y=0, blur=0, brightness=0, contrast=1
)  # fmt: skip


def draw(params: AugmentOne, sha256: str, copy: int, width: int, height: int) -> Change:
    """Draw the change for copy number `copy` of the image whose bytes, as it was pulled, have that sha256.

    The generator's seed is a hash of the parameters' seed, the bytes and the number, so that neither
    another image in the data set nor another name of this one changes anything here.
    """
    key = hashlib.sha256(f"{params.seed}:{copy}:{sha256}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(key))
    if params.policy == "trivial":
        return _trivial(random, params.flip, width, height)
    least, most = params.rotation

    def either_way(limit: float) -> float:
        return float(random.uniform(-limit, limit))

    def factor(limit: float) -> float:
        return float((1 + limit) ** random.uniform(-1, 1))

    def sometimes() -> bool:
        return bool(random.random() < params.share)

    change = Change(
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
    wide, high = random.uniform(0, params.blank, 2) if sometimes() else (0.0, 0.0)
    return replace(
        change,
        blur=change.blur if sometimes() else 0.0,
        stretch=factor(params.stretch) ** 0.5,
        gamma=factor(params.gamma),
        speckle=float(random.uniform(0, params.speckle)) if sometimes() else 0.0,
        grain=float(random.uniform(0.5, 1.5)),
        blank=(float(random.uniform(0, 1 - wide)), float(random.uniform(0, 1 - high)), float(wide), float(high)),
        border=float(random.uniform(0, params.border)) if sometimes() else 0.0,
        edge=int(random.integers(4)),
        seed=int(random.integers(2**32)),
    )


def _trivial(random: np.random.Generator, flip: float, width: int, height: int) -> Change:
    """Draw as TrivialAugment does (Mueller & Hutter 2021, the wide space): one change of random strength, or none.

    Of its changes those of colour are left out, since images are grey.
    """
    flipped = bool(random.random() < flip)
    strength, sign = float(random.uniform(0, 1)), float(random.choice([-1, 1]))
    signed = strength * sign
    drawn: list[dict[str, float]] = [
        {},
        {"angle": 135 * signed},
        {"shear": 0.99 * signed},
        {"shear_y": 0.99 * signed},
        {"shift_x": width / 7 * signed},
        {"shift_y": height / 7 * signed},
        {"gain": 1 + 0.99 * signed},
        {"contrast": 1 + 0.99 * signed},
        {"sharpening": 2 * signed},
        {"step": 2 ** round(6 * strength)},
        {"inverted_from": 256 * (1 - strength)},
    ]
    return replace(_UNCHANGED, flip=flipped, **drawn[random.integers(len(drawn))])  # type: ignore[arg-type]


def matrix_of(change: Change, width: int, height: int) -> Matrix:
    """Return the (3, 3) matrix that moves points of the image, in px, about its centre.

    It flips and stretches, then shears, turns (positive angles counter-clockwise on screen), zooms and shifts.
    A flip swaps the left and right of the anatomy; shear and unequal frames alter its angles.
    """
    radians = np.deg2rad(change.angle)
    cos, sin = np.cos(radians) * change.zoom, np.sin(radians) * change.zoom
    centre = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    flip = np.diag([-change.stretch if change.flip else change.stretch, 1 / change.stretch, 1])
    shear = np.array([[1, change.shear, 0], [change.shear_y, 1, 0], [0, 0, 1]])
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
    if change.sharpening:
        detail = moved.astype(np.float32) - cv2.GaussianBlur(moved, (0, 0), 1)
        moved = np.clip(np.rint(moved + change.sharpening * detail), 0, 255)
    moved = _regraded(np.asarray(moved, np.uint8), change)
    if change.speckle > 0:
        moved = _speckled(moved, change)
    left, top, wide, high = (round(share * side) for share, side in zip(change.blank, (width, height) * 2, strict=True))
    moved[top : top + high, left : left + wide] = 0
    band = round(change.border * (width if change.edge % 2 == 0 else height))
    turned = np.rot90(moved, change.edge)  # a view, in which the edge is the left one
    turned[:, :band] = 0
    return moved


def _regraded(image: Grey, change: Change) -> Grey:
    whole = (change.contrast, change.brightness, change.gamma, change.gain, change.step, change.inverted_from)
    if whole == (1, 0, 1, 1, 1, 256):
        return image
    levels = np.arange(256, dtype=np.float64)
    if change.gamma != 1:
        levels = 255 * (levels / 255) ** change.gamma
    mean = float(image.mean())
    table = (levels - mean) * change.contrast + mean + 255 * change.brightness
    table = np.rint(table * change.gain) // change.step * change.step
    table = np.where(levels >= change.inverted_from, 255 - table, table)
    table[0] = 0  # the black around the sector stays black
    return np.asarray(cv2.LUT(image, np.clip(np.rint(table), 0, 255).astype(np.uint8)))


def _speckled(image: Grey, change: Change) -> Grey:
    """Multiply each pixel with a factor around 1 that neighbours share; black stays black."""
    noise = np.random.default_rng(change.seed).standard_normal(image.shape)
    grains = np.asarray(cv2.GaussianBlur(noise, (0, 0), change.grain))
    factors = 1 + grains * (change.speckle / grains.std())
    return np.asarray(np.clip(np.rint(image * factors), 0, 255), np.uint8)


def apply_to_boxes(
    boxes: Boxes, change: Change, width: int, height: int, min_visible: float
) -> tuple[Boxes, np.ndarray]:
    """Move boxes, shape (n, 4), with the image; clip them, and drop those mostly out of view.

    Returns the kept boxes, shape (k, 4), and which were kept, shape (n,).
    """
    moved = transform(boxes, matrix_of(change, width, height))
    kept = visible(moved, width, height) >= max(min_visible, np.finfo(float).tiny)
    return clip(moved[kept], width, height), kept
