"""Small pictures for the page: JPEG, since a page of PNGs would be four times as large."""

import base64
from pathlib import Path

import cv2
import numpy as np

from sonotrace.images.grey import Grey, decode_grey

QUALITY = 78
LONGEST = 360
"""px of the longer side; wider images are made smaller."""


def of_file(path: Path) -> str:
    """Return an image file as a small JPEG in base64, or nothing where it cannot be read."""
    image = decode_grey(path.read_bytes()) if path.is_file() else None
    return "" if image is None else of_image(image)


def of_image(image: Grey) -> str:
    """Return a grey image as a small JPEG in base64; the same image gives the same bytes."""
    height, width = image.shape
    scale = min(1.0, LONGEST / max(width, height))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    options = (cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1)
    return base64.b64encode(bytes(cv2.imencode(".jpg", image, options)[1])).decode()
