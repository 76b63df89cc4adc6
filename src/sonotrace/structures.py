"""Brain structures: their names, their order, and how a Roboflow YOLOv8 export is read.

The export's own class order stands in its `data.yaml` and ends there: past pull a box carries the
name of its structure.
"""

import math
from pathlib import Path

import yaml

from sonotrace.errors import SonotraceError
from sonotrace.snapshot import Box, Listed, images_below

STRUCTURES = ("CHOROID_PLEXUS", "CSP", "MIDLINE_FALX")
"""The structures, in the order of the detector's classes."""

_SIDES = {"train": "train", "valid": "val", "val": "val", "test": "test"}


def read_snapshot(folder: Path) -> list[Listed]:
    """List the images of a YOLOv8 export with their boxes, and label files without an image.

    `folder` is the export or holds it: the folder of the one `data.yaml`. An image's labels are in
    the file of the same name below `labels` instead of `images`; an empty file says that there is
    nothing to find, no file that nobody labelled the image. A name `SOURCE.rf.HASH` is Roboflow's
    copy of SOURCE.
    """
    card = _card(folder)
    names = _class_names(card)
    root = card.parent
    labels = {path for path in root.rglob("*.txt") if "labels" in path.relative_to(root).parts}
    listed = []
    for file in images_below(root):
        label = _label_file(file, root)
        labelled = label in labels
        labels.discard(label)
        listed.append(
            Listed(
                image=file.stem,
                file=file,
                labelled_by=label.relative_to(root).as_posix() if labelled else "",
                official_split=_side(file.relative_to(root)),
                source_image=_source(file.stem),
                boxes=_read_boxes(label, names) if labelled else [],
            )
        )
    for label in sorted(labels):
        where = label.relative_to(root)
        listed.append(Listed(label.stem, None, "", where.as_posix(), _side(where)))
    return listed


def _card(folder: Path) -> Path:
    cards = sorted(folder.rglob("data.yaml"))
    if len(cards) != 1:
        raise SonotraceError(
            f"{folder}: {len(cards)} files data.yaml below it; "
            "it must hold one YOLOv8 export, as a folder or as one .zip"
        )
    return cards[0]


def _class_names(card: Path) -> list[str]:
    """Read `names` of a data.yaml, a list or a mapping from 0 on."""
    try:
        names = yaml.safe_load(card.read_text(encoding="utf-8"))["names"]
        if isinstance(names, dict):
            names = [names[index] for index in range(len(names))]
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError):
        names = None
    if not isinstance(names, list):
        raise SonotraceError(f"{card}: no usable list of class names; export again as YOLOv8, or add `names: [...]`")
    return [str(name) for name in names]


def _label_file(image: Path, root: Path) -> Path:
    parts = ["labels" if part == "images" else part for part in image.relative_to(root).parts]
    return root.joinpath(*parts).with_suffix(".txt")


def _side(path: Path) -> str:
    return next((_SIDES[part] for part in path.parts[:-1] if part in _SIDES), "")


def _source(stem: str) -> str:
    source, mark, _ = stem.rpartition(".rf.")
    return source if mark else ""


def _read_boxes(path: Path, names: list[str]) -> list[Box]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [_read_box(line.split(), names) for line in lines if line.strip()]


def _read_box(values: list[str], names: list[str]) -> Box:
    """Read `class cx cy w h`, or a polygon `class x y x y x y ...` as its bounds."""
    try:
        index, *numbers = (float(value) for value in values)
    except ValueError:
        return Box("", math.nan, math.nan, math.nan, math.nan)
    known = index.is_integer() and 0 <= index < len(names)
    structure = names[int(index)] if known else f"class {values[0]}"
    if len(numbers) == 4:
        x, y, width, height = numbers
        return Box(structure, x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        xs, ys = numbers[::2], numbers[1::2]
        return Box(structure, min(xs), min(ys), max(xs), max(ys))
    return Box(structure, math.nan, math.nan, math.nan, math.nan)
