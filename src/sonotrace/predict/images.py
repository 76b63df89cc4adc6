"""Use both models on image files: the plane, the structures, and what went wrong.

Preparation comes from the model files, so an image is treated as in training whatever the
parameters say today.
"""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import Grey, read_grey
from sonotrace.labels.listing import images_below
from sonotrace.models.classifier import PlaneClassifier
from sonotrace.models.detector import StructureDetector
from sonotrace.running.progress import say

COLOURS = {"CHOROID_PLEXUS": (80, 200, 80), "CSP": (60, 160, 255), "MIDLINE_FALX": (255, 140, 60)}
"""Colour of each structure's box, blue, green, red."""


@dataclass(frozen=True)
class Found:
    """One structure in one image; the box is x0, y0, x1, y1 in px of the original image."""

    structure: str
    confidence: float
    box: list[float]


@dataclass(frozen=True)
class Prediction:
    """What both models say of one file; where `error` is set, nothing else is known."""

    file: str
    plane: str | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    structures: list[Found] = field(default_factory=list)
    error: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the fields in the order that `--json` prints."""
        return asdict(self)


def image_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files named, and the images in and below folders, sorted within each folder.

    A path that does not exist is yielded too, and reported when it is read.
    """
    for path in paths:
        if path.is_dir():
            yield from images_below(path)
        else:
            yield path


def predict(
    files: Iterable[Path], classifier: PlaneClassifier, detector: StructureDetector, confidence: float
) -> Iterator[tuple[Prediction, Grey | None]]:
    """Yield, for each file, what the models say and the grey image (None where it cannot be read)."""
    for file in files:
        try:
            image = read_grey(file)
        except SonotraceError as error:
            yield Prediction(str(file), error=str(error)), None
            continue
        values = classifier.probabilities([classifier.preparation.apply(image)])[0]
        yield (
            Prediction(
                file=str(file),
                plane=classifier.planes[int(values.argmax())],
                probabilities={
                    plane: round(float(value), 4) for plane, value in zip(classifier.planes, values, strict=True)
                },
                structures=_structures(image, detector, confidence),
            ),
            image,
        )


def _structures(image: Grey, detector: StructureDetector, confidence: float) -> list[Found]:
    height, width = image.shape
    found = detector.detect([detector.preparation.apply(image)], confidence)[0]
    boxes = detector.preparation.placement(width, height).to_original(found.boxes)
    boxes = np.clip(boxes, 0, [width, height, width, height])
    return [
        Found(structure, round(float(certain), 4), [round(float(corner), 1) for corner in box])
        for structure, certain, box in zip(found.structures, found.confidences, boxes, strict=True)
    ]


def sort_into(prediction: Prediction, folder: Path) -> None:
    """Copy the file into the folder of its predicted plane; another file of that name stays."""
    target = folder / str(prediction.plane) / Path(prediction.file).name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(prediction.file, _free(target, Path(prediction.file)))


def _free(target: Path, source: Path) -> Path:
    """Return `target`, or, where a different file has that name, the first free numbered one."""
    number = 1
    path = target
    while path.exists() and path.read_bytes() != source.read_bytes():
        number += 1
        path = target.with_stem(f"{target.stem}-{number}")
    return path


def draw(prediction: Prediction, image: Grey, folder: Path, drawn: set[str]) -> None:
    """Write the image with its boxes and the plane's name as PNG into `folder`.

    `drawn` holds the names written in this run: a second image of the same name gets a number.
    """
    canvas = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    plane = str(prediction.plane)
    cv2.putText(canvas, f"{plane} {prediction.probabilities[plane]:.2f}", (8, 24), 0, 0.7, (255, 255, 255), 1, 16)
    for found in prediction.structures:
        x0, y0, x1, y1 = (round(corner) for corner in found.box)
        colour = COLOURS.get(found.structure, (255, 255, 255))
        cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, 2)
        label = f"{found.structure} {found.confidence:.2f}"
        cv2.putText(canvas, label, (x0, max(12, y0 - 5)), 0, 0.5, colour, 1, 16)
    folder.mkdir(parents=True, exist_ok=True)
    name = stem = Path(prediction.file).stem
    number = 1
    while name in drawn:
        number += 1
        name = f"{stem}-{number}"
    drawn.add(name)
    target = folder / f"{name}.png"
    if not cv2.imwrite(str(target), canvas):
        raise SonotraceError(f"{target}: cannot be written; choose another folder for --draw")


def show(prediction: Prediction) -> None:
    """Print one prediction for a person."""
    if prediction.error:
        say(f"{prediction.error}")
        return
    plane = str(prediction.plane)
    say(f"{prediction.file}: {plane} {prediction.probabilities[plane]:.3f}")
    for found in prediction.structures:
        corners = ", ".join(f"{corner:g}" for corner in found.box)
        say(f"  {found.structure} {found.confidence:.3f} at [{corners}] px")
