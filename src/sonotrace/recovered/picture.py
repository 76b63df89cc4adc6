"""A picture of each source: its copies with their boxes as exported, and the recovered image with its boxes."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sonotrace.images.boxes import Boxes
from sonotrace.images.grey import Grey
from sonotrace.recovered.source import Copy, Recovery

_COLOURS = ((80, 80, 255), (80, 220, 80), (255, 140, 60), (60, 220, 255), (255, 80, 220), (220, 220, 60))
"""Blue, green, red of the boxes, by structure in the order of names."""
_GAP = 8
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 90)


def picture(copies: Sequence[Copy], recovery: Recovery, image: Grey) -> bytes:
    """Return a JPEG: the copies, then what they came from; grey boxes there are those of the copies, turned back."""
    names = sorted(set(recovery.structures))
    views = [
        _captioned(_drawn(copy.image, names, copy.structures, copy.corners), f"copy, turned by {turn:+.2f} degrees")
        for copy, turn in zip(copies, recovery.turns, strict=True)
    ]
    after = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    for one in recovery.fits:
        for x0, y0, x1, y1 in one.grown[np.isfinite(one.grown).all(axis=1)]:
            cv2.rectangle(after, (round(x0), round(y0)), (round(x1), round(y1)), (150, 150, 150), 1)
    boxes = np.array([one.box for one in recovery.fits]).reshape(-1, 4)
    views.append(_captioned(_drawn(after, names, recovery.structures, boxes), "recovered"))
    gap = np.full((views[0].shape[0], _GAP, 3), 255, np.uint8)
    row = np.hstack([part for view in views for part in (view, gap)][:-1])
    return bytes(cv2.imencode(".jpg", row, _JPEG)[1])


def _drawn(image: NDArray[np.uint8], names: list[str], structures: list[str], boxes: Boxes) -> NDArray[np.uint8]:
    drawn = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image.copy()
    for structure, (x0, y0, x1, y1) in zip(structures, boxes, strict=True):
        colour = _COLOURS[names.index(structure) % len(_COLOURS)]
        cv2.rectangle(drawn, (round(x0), round(y0)), (round(x1), round(y1)), colour, 1)
        place = (round(x0), max(12, round(y0) - 4))
        cv2.putText(drawn, structure, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
    return np.asarray(drawn, np.uint8)


def _captioned(image: NDArray[np.uint8], words: str) -> NDArray[np.uint8]:
    bar = np.full((20, image.shape[1], 3), 255, np.uint8)
    cv2.putText(bar, words, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([bar, image])
