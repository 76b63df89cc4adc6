"""Read labelled structures: from a YOLOv8 export, as Roboflow makes it, or from COCO JSON (`coco`).

The export's own class order or category ids end here: past pull a box carries the name of its structure.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sonotrace.errors import SonotraceError
from sonotrace.labels import coco
from sonotrace.labels.listing import Box, Listed, Listing, image_id, images_below, side_of, source_of


def read_snapshot(folder: Path, _settings: Mapping[str, Any], _data_set: str) -> Listing:
    """List the images in `folder` with their boxes, and labels without an image.

    The labels are those of the one `data.yaml` in `folder` or below, or of the COCO files there, not
    both. A name `SOURCE.rf.HASH` is Roboflow's copy of SOURCE. Raises SonotraceError where there are
    no labels, or labels of both kinds.
    """
    cards = sorted(folder.rglob("data.yaml"))
    documents, faults = coco.find(folder)
    if cards and documents:
        both = f"{cards[0].relative_to(folder)} (YOLOv8) and {next(iter(documents)).relative_to(folder)} (COCO)"
        raise SonotraceError(f"{folder}: labels in {both}; keep one of them")
    if len(cards) == 1:
        return _read_yolo(cards[0])
    if faults:
        raise SonotraceError(faults[0])
    if not documents:
        raise SonotraceError(
            f"{folder}: {len(cards)} files data.yaml and no COCO .json below it; "
            "it must hold one YOLOv8 or COCO export, as a folder or as one archive"
        )
    return Listing(coco.read(folder, documents), frozenset(documents))


def _read_yolo(card: Path) -> Listing:
    """List the images of a YOLOv8 export, whose folder has the file `card`, and label files without an image.

    An image's labels are in the file of the same name below `labels` instead of `images`; an empty file
    says that there is nothing to find, no file that nobody labelled the image.
    """
    names = _class_names(card)
    root = card.parent
    label_files = frozenset(path for path in root.rglob("*.txt") if "labels" in path.relative_to(root).parts)
    labels = set(label_files)
    listed = []
    for file in images_below(root):
        label = _label_file(file, root)
        labelled = label in labels
        labels.discard(label)
        listed.append(
            Listed(
                image=image_id(file.name),
                file=file,
                labelled_by=label.relative_to(root).as_posix() if labelled else "",
                official_split=side_of(file.relative_to(root)),
                source_image=source_of(image_id(file.name)),
                boxes=_read_boxes(label, names) if labelled else [],
            )
        )
    for label in sorted(labels):
        where = label.relative_to(root)
        listed.append(Listed(label.stem, None, "", where.as_posix(), side_of(where)))
    return Listing(listed, label_files | {card})


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
