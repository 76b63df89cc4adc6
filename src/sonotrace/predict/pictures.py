"""Write predictions as pictures: images with boxes, and copies sorted by plane."""

import shutil
from pathlib import Path

import cv2

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import Grey
from sonotrace.predict.prediction import Prediction

COLOURS = {"CHOROID_PLEXUS": (80, 200, 80), "CSP": (60, 160, 255), "MIDLINE_FALX": (255, 140, 60)}
"""Colour of each structure's box, blue, green, red."""
WHITE = (255, 255, 255)


NO_PLANE = "none"
"""Folder for images that are none of the planes."""


def sort_into(prediction: Prediction, folder: Path) -> None:
    """Copy the file into the folder of its predicted plane, or NO_PLANE; another file of that name stays."""
    target = folder / (prediction.plane or NO_PLANE) / Path(prediction.file).name
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
    """Write the image with its boxes and what plane it is as PNG into `folder`.

    `drawn` holds the names written in this run: a second image of the same name gets a number.
    """
    canvas = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if prediction.plane:
        label = f"{prediction.plane} {prediction.probabilities[prediction.plane]:.2f}"
    else:
        label = prediction.reason or ""
    cv2.putText(canvas, label, (8, 24), 0, 0.7, WHITE, 1, 16)
    for found in prediction.structures:
        x0, y0, x1, y1 = (round(corner) for corner in found.box)
        colour = COLOURS.get(found.structure, WHITE)
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
