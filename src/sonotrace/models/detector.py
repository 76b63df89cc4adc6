"""Use a trained structure detector; evaluate and predict share this code."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sonotrace.images.boxes import Boxes
from sonotrace.images.grey import Grey
from sonotrace.images.preparation import Preparation
from sonotrace.models.files import private_copy, read_yolo_entry
from sonotrace.running.environment import quiet_ultralytics
from sonotrace.running.progress import native_noise_hidden

OVERLAP = 0.7
"""Intersection over union above which the weaker of two boxes is dropped (Ultralytics' value)."""


@dataclass(frozen=True)
class Detections:
    """What was found in one prepared image, by falling confidence; boxes in px of that image."""

    structures: list[str]
    confidences: NDArray[np.float64]
    boxes: Boxes


class StructureDetector:
    """A model of train_yolo with the names and the preparation that its file states."""

    def __init__(self, content: bytes, path: Path) -> None:
        """Load the bytes of a model file, called `path` in messages; raises SonotraceError for other files."""
        entry = read_yolo_entry(content, path)
        with native_noise_hidden(), private_copy(content, path.with_suffix(".pt")) as copy:
            self._model = quiet_ultralytics()(copy, task="detect")
        self.preparation = Preparation.from_mapping(entry["prepare"])
        self._imgsz: int = entry["imgsz"]

    def detect(self, prepared: Sequence[Grey], confidence: float) -> list[Detections]:
        """Return the structures found in each prepared image with at least this confidence."""
        found = []
        for image in prepared:
            result = self._model.predict(
                cv2.cvtColor(image, cv2.COLOR_GRAY2BGR),
                imgsz=self._imgsz,
                conf=confidence,
                iou=OVERLAP,
                rect=True,
                verbose=False,
                save=False,
            )[0]
            boxes = result.boxes.cpu().numpy()
            names = [result.names[int(index)] for index in boxes.cls]
            found.append(Detections(names, boxes.conf.astype(np.float64), boxes.xyxy.astype(np.float64)))
        return found
