"""Use a trained structure detector; evaluate and predict share this code."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from sonotrace.images.grey import Grey
from sonotrace.images.packs import Stored
from sonotrace.images.preparation import Preparation
from sonotrace.models.detections import LEAST, OVERLAP, Detections
from sonotrace.models.files import private_copy, read_yolo_entry
from sonotrace.running.environment import quiet_ultralytics
from sonotrace.running.progress import bar, native_noise_hidden
from sonotrace.tables import FOUND_BOX_COLUMNS


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


def load(content: bytes, path: Path) -> StructureDetector:
    """Load the bytes of a model file, called `path` in messages."""
    return StructureDetector(content, path)


def predictions(detector: StructureDetector, test: pd.DataFrame, prepared: Stored) -> pd.DataFrame:
    """Return the boxes found in each test image, as `scores.structures` takes them, four decimals.

    `test` has the column image; `prepared` holds the images, and boxes are in px of it.
    """
    rows: list[tuple[Any, ...]] = []
    with bar("predict", len(test)) as advance:
        for image in test["image"]:
            found = detector.detect([prepared[image].read()], LEAST)[0]
            rows.extend(
                (image, structure, *(round(float(value), 4) for value in (certain, *corners)))
                for structure, certain, corners in zip(found.structures, found.confidences, found.boxes, strict=True)
            )
            advance(1)
    return pd.DataFrame(rows, columns=list(FOUND_BOX_COLUMNS))
