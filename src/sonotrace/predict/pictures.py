"""Write predictions as pictures: images with boxes, and copies sorted by plane."""

import unicodedata
from pathlib import Path, PurePath

import cv2

from sonotrace.predict.prediction import Looked
from sonotrace.running.outputs import write_bytes

COLOURS = {"CHOROID_PLEXUS": (80, 200, 80), "CSP": (60, 160, 255), "MIDLINE_FALX": (255, 140, 60)}
"""Colour of each structure's box, blue, green, red."""
WHITE = (255, 255, 255)


NO_PLANE = "none"
"""Folder for images that are none of the planes."""
UNCERTAIN = "uncertain"
"""Folder for images whose plane is less probable than the model asks for."""


def sort_into(looked: Looked, folder: Path) -> None:
    """Copy the file into the folder of its predicted plane, UNCERTAIN or NO_PLANE; another file of that name stays."""
    prediction = looked.prediction
    place = UNCERTAIN if prediction.uncertain else prediction.plane or NO_PLANE
    content = looked.source.read()
    target = _free(folder / place / PurePath(prediction.file).name, content)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _free(target: Path, content: bytes) -> Path:
    """Return `target`, or, where a file of other content has that name, the first free numbered one."""
    number = 1
    path = target
    while path.exists() and path.read_bytes() != content:
        number += 1
        path = target.with_stem(f"{target.stem}-{number}")
    return path


def draw(looked: Looked, folder: Path, drawn: set[str]) -> None:
    """Write the image with its boxes and what plane it is as PNG into `folder`; of DICOM, the part that was looked at.

    `drawn` holds the names written in this run: a second image of the same name gets a number, also where only
    case or Unicode form differ, which some disks ignore.
    """
    assert looked.view is not None
    prediction, image = looked.prediction, looked.view.image
    left, top = looked.view.region[:2] if looked.view.region else (0, 0)
    canvas = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if prediction.plane:
        label = f"{prediction.plane} {prediction.probabilities[prediction.plane]:.2f}"
    else:
        label = prediction.reason or ""
    cv2.putText(canvas, label, (8, 24), 0, 0.7, WHITE, 1, 16)
    for found in prediction.structures:
        x0, y0, x1, y1 = (round(corner - offset) for corner, offset in zip(found.box, (left, top) * 2, strict=True))
        colour = COLOURS.get(found.structure, WHITE)
        cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, 2)
        label = f"{found.structure} {found.confidence:.2f}"
        cv2.putText(canvas, label, (x0, max(12, y0 - 5)), 0, 0.5, colour, 1, 16)
    folder.mkdir(parents=True, exist_ok=True)
    name = stem = PurePath(prediction.file).stem + (f"-frame{prediction.frame}" if prediction.frame else "")
    number = 1
    while _folded(name) in drawn:
        number += 1
        name = f"{stem}-{number}"
    drawn.add(_folded(name))
    write_bytes(bytes(cv2.imencode(".png", canvas)[1]), folder / f"{name}.png")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
