"""What a structure detector finds, whichever engine runs it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonotrace.images.boxes import Boxes

LEAST = 0.001
"""Confidence from which predictions count towards average precision (Ultralytics' value)."""

OVERLAP = 0.7
"""Intersection over union above which the weaker of two boxes is dropped (Ultralytics' value)."""


@dataclass(frozen=True)
class Detections:
    """What was found in one prepared image, by falling confidence; boxes in px of that image."""

    structures: list[str]
    confidences: NDArray[np.float64]
    boxes: Boxes
