"""Find images that do not look like the rest, such as a photograph among ultrasound images.

An image is unlike the rest where

- it is coloured: over COLOURED of its pixels differ by more than TINT grey levels between two of their colours
  (tinted ultrasound and colour Doppler are found by this too); or
- its grey levels are others: its cumulated histogram of LEVELS bins lies, on average over the bins, more than
  FAR from the median of all images of the data set; or
- nothing in it is black, as what surrounds the ultrasound sector is: less than BLACK of its pixels are below
  the level 16.

The limits were chosen on FETAL_PLANES_DB (933 images: no colour, distance at most 0.27, black at least 3 %) and
on the phantom (0.26, 4 %). A grey photograph with much black in it passes.
"""

import io
from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from sonotrace.images.grey import Grey

COLOURED, TINT = 0.1, 40
FAR = 0.32
BLACK = 0.01
LEVELS = 32
"""Bins of the histogram, 8 grey levels each."""
_GREY_MODES = {"1", "L", "LA", "I;16", "I;16B", "I"}


def colour(content: bytes) -> float:
    """Return which share of an image's pixels is coloured, 0 to 1; 0 where colours cannot be read."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode in _GREY_MODES:
                return 0.0
    except Exception:  # noqa: BLE001 - Pillow raises many kinds for damaged files
        return 0.0
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_REDUCED_COLOR_2)
    if pixels is None:
        return 0.0
    return round(float((pixels.max(axis=2).astype(int) - pixels.min(axis=2) > TINT).mean()), 3)


def histogram(image: Grey) -> list[float]:
    """Return the cumulated histogram of grey levels, LEVELS shares that end in 1, four digits each."""
    counts = cv2.calcHist([image], [0], None, [LEVELS], [0, 256]).ravel()
    return [round(float(share), 4) for share in np.cumsum(counts) / image.size]


def distances(histograms: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return how far each histogram is from the median of all, shape (n,), 0 to 1, three digits."""
    table = np.array(histograms, np.float64).reshape(-1, LEVELS)
    return np.abs(table - np.median(table, axis=0)).mean(axis=1).round(3) if len(table) else np.zeros(0)


def found(statistics: pd.DataFrame) -> dict[str, str]:
    """Return file -> in what it is unlike the rest; `statistics` has the columns file, colour, black and distance."""
    reasons = {}
    for row in statistics.itertuples(index=False):
        if row.colour > COLOURED:
            reasons[str(row.file)] = f"colour: {row.colour:.0%} of its pixels"
        elif row.distance > FAR:
            reasons[str(row.file)] = f"grey levels: {row.distance:g} from the median of all images, limit {FAR:g}"
        elif row.black < BLACK:
            reasons[str(row.file)] = f"no black surround: {row.black:.1%} of its pixels are black"
    return reasons
