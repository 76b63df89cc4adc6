"""Heads for the detection phantom: one image with its marks, augmented copies, YOLO lines."""

import math
from dataclasses import replace

import cv2
import numpy as np

from sonotrace.kinds.structures import STRUCTURES
from sonotrace.sources.phantom.anatomy import brain, surroundings
from sonotrace.sources.phantom.elementary import Floats, sin_cos
from sonotrace.sources.phantom.imaging import Exposure, Grey, picture
from sonotrace.sources.phantom.scanner import CANVAS_HEIGHT, Scanner, canvas_size
from sonotrace.sources.phantom.scene import Body, Mark, Pose, Scene

ROTATION_DEGREES = (5.0, 10.0)
BLUR_PX = 2.5
SMALLEST_BOX_PX = 3.0
MOST_SHRINKS = 30


def head(scanner: Scanner, body: Body, wall: float, rng: np.random.Generator) -> tuple[Grey, list[Mark]]:
    """Draw one head as in HC18: it fills much of the frame and lies about level.

    `wall` is the depth of maternal tissue in image heights. Returns the image, uint8 (height,
    width), and its falx, CSP and choroid plexus, in px of the image.
    """
    exposure = Exposure.draw(scanner, wall, rng)
    scene = Scene.blank(*canvas_size(exposure.width, exposure.height), body, rng)
    pose = _head_pose(exposure, rng)
    surroundings(scene, pose, body)
    brain(scene, pose, body)
    scale = exposure.height / CANVAS_HEIGHT
    marks = [Mark(m.structure, m.outline * scale, m.margin * scale) for m in scene.marks]
    return picture(scene, scanner, exposure, rng), marks


def _head_pose(exposure: Exposure, rng: np.random.Generator) -> Pose:
    """Draw where the head lies, shrunk until its midline and both plexus can be seen."""
    x, y = exposure.sector.centre
    width, height = canvas_size(exposure.width, exposure.height)
    pose = Pose(
        x=(x + rng.uniform(-0.04, 0.04)) * width,
        y=(y + rng.uniform(-0.04, 0.06)) * height,
        size=rng.uniform(0.5, 0.66) * height,
        turn=rng.normal(0, 0.14) + np.pi * rng.integers(2),
        mirrored=bool(rng.integers(2)),
    )
    ends = np.array([(-0.95, 0), (0.95, 0), (-0.5, -0.55), (-0.5, 0.55)], np.float32)
    for _ in range(MOST_SHRINKS):
        if exposure.sector.holds(pose.place(ends) / height, width / height):
            break
        pose = replace(pose, size=0.97 * pose.size)
    return pose


def augmented(image: Grey, marks: list[Mark], rng: np.random.Generator) -> tuple[Grey, list[Mark]]:
    """Turn by 5 to 10 degrees either way about the middle, and blur.

    As Roboflow has it, a mark becomes its box, turned: what is labelled then is larger than the structure.
    """
    height, width = image.shape
    angle = rng.uniform(*ROTATION_DEGREES) * rng.choice([-1, 1])
    turn = _turn(angle, (width - 1) / 2, (height - 1) / 2)
    turned = cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_LINEAR)
    sigma = rng.uniform(0, BLUR_PX) / 2
    if sigma > 0.2:
        turned = cv2.GaussianBlur(turned, (0, 0), sigma)
    return turned, [Mark(mark.structure, _moved(_corners(mark), turn), 0.0) for mark in marks]


def _turn(degrees: float, x: float, y: float) -> Floats:
    """Return the (2, 3) matrix that turns about a point, counter-clockwise on screen, as OpenCV makes it."""
    sin, cos = (float(part) for part in sin_cos(degrees * math.pi / 180))
    return np.array([[cos, sin, (1 - cos) * x - sin * y], [-sin, cos, sin * x + (1 - cos) * y]])


def _corners(mark: Mark) -> Floats:
    """Return the corners of a mark's box, (4, 2), from the upper left one clockwise."""
    (x0, y0), (x1, y1) = mark.outline.min(axis=0) - mark.margin, mark.outline.max(axis=0) + mark.margin
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _moved(points: Floats, matrix: Floats) -> Floats:
    x, y = points[:, 0], points[:, 1]
    return np.column_stack([x * a + y * b + c for a, b, c in matrix.tolist()])


def yolo_line(mark: Mark, width: int, height: int) -> str | None:
    """Bounds of a mark as `class cx cy w h`, clipped to the image; None if nothing is left."""
    frame = np.array([width, height])
    low = np.clip(mark.outline.min(axis=0) - mark.margin, 0, frame)
    high = np.clip(mark.outline.max(axis=0) + mark.margin, 0, frame)
    if (high - low).min() < SMALLEST_BOX_PX:
        return None
    numbers = [*((low + high) / 2 / frame), *((high - low) / frame)]
    return " ".join([str(STRUCTURES.index(mark.structure)), *(f"{n:.6f}" for n in numbers)])
