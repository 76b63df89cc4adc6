"""Drawn heads with known boxes, and copies of them that were turned and blurred by known amounts."""

from pathlib import Path

import cv2
import numpy as np

from sonotrace.images.boxes import area
from sonotrace.recovered.boxes import turned, turned_in_place
from sonotrace.recovered.registration import turning
from sonotrace.recovered.source import Copy
from sonotrace.sources.phantom.heads import head
from sonotrace.sources.phantom.scanner import load_scanners
from sonotrace.sources.phantom.scene import Body

SCANNERS = load_scanners(Path(__file__).parents[1] / "data/phantom/structures/scanners.yaml")


def drawn(seed):
    """Return a head with one box per structure, the largest, well inside the image."""
    rng = np.random.default_rng(seed)
    image, marks = head(SCANNERS[0], Body.draw(rng), 0.05, rng)
    boxes = {}
    for mark in marks:
        box = np.concatenate([mark.outline.min(axis=0) - mark.margin, mark.outline.max(axis=0) + mark.margin])
        if mark.structure not in boxes or area(box[None]) > area(boxes[mark.structure][None]):
            boxes[mark.structure] = box
    names = sorted(boxes)
    return Copy(image, names, np.array([boxes[name] for name in names], float).clip(1, [639, 431] * 2))


def turn(source, degrees, blur=0.0, own=None):
    """Return a copy as Roboflow makes it: boxes turned by themselves by `own` degrees, then all of it by `degrees`."""
    image, corners = source.image.copy(), source.corners
    height, width = image.shape
    for box, by in zip(source.corners, own or [], strict=False):
        x0, y0, x1, y1 = np.rint(box).astype(int)
        part = image[y0:y1, x0:x1]
        matrix = turning(by, x1 - x0, y1 - y0)[:2]
        image[y0:y1, x0:x1] = cv2.warpAffine(part, matrix, (x1 - x0, y1 - y0), borderMode=cv2.BORDER_REPLICATE)
    if own:
        corners = np.concatenate([turned_in_place(box[None], by) for box, by in zip(corners, own, strict=True)])
    if degrees:
        image = cv2.warpAffine(image, turning(degrees, width, height)[:2], (width, height))
    if blur:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    image = cv2.imdecode(cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 90))[1], cv2.IMREAD_GRAYSCALE)
    corners = np.round(2 * turned(corners, degrees, width, height)) / 2
    return Copy(image, source.structures, corners.clip(0, [width, height] * 2))
