"""Read labelled structures: from a YOLO export, as Roboflow, CVAT and Label Studio make it, or from COCO JSON (`coco`).

The export's own class order or category ids end here: past pull a box carries the name of its structure.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sonotrace.documents import read_yaml
from sonotrace.errors import SonotraceError
from sonotrace.labels import coco
from sonotrace.labels.listing import Box, Listed, Listing, image_id, images_below, side_of, source_of

CLASS_LISTS = ("classes.txt", "obj.names")
"""Names of classes, one per line, where there is no `data.yaml`: as Label Studio and CVAT (YOLO 1.1) write them."""


def read_snapshot(folder: Path, _settings: Mapping[str, Any], _data_set: str) -> Listing:
    """List the images in `folder` with their boxes, and labels without an image.

    The labels are those of the one `data.yaml` in `folder` or below, or of the COCO files there, not
    both; without either, those of the one file of CLASS_LISTS. A name `SOURCE.rf.HASH` is Roboflow's
    copy of SOURCE. A box that an image has twice counts once. Raises SonotraceError where there are no
    labels, or labels of both kinds.
    """
    cards = _files(folder, "data.yaml")
    documents, faults = coco.find(folder)
    if cards and documents:
        both = f"{cards[0].relative_to(folder)} (YOLOv8) and {next(iter(documents)).relative_to(folder)} (COCO)"
        raise SonotraceError(f"{folder}: labels in {both}; keep one of them")
    if not cards and not documents:
        cards = sorted(path for name in CLASS_LISTS for path in _files(folder, name))
    if len(cards) == 1:
        return _distinct(_read_yolo(folder, cards[0]))
    if faults:
        raise SonotraceError(faults[0])
    if not documents:
        raise SonotraceError(
            f"{folder}: {len(cards)} files data.yaml or {' or '.join(CLASS_LISTS)} and no COCO .json below it; "
            "it must hold one YOLO or COCO export, as a folder or as one archive"
        )
    return _distinct(Listing(coco.read(folder, documents), frozenset(documents)))


def _files(folder: Path, name: str) -> list[Path]:
    """List the files, not folders, of this name in `folder` and below, sorted."""
    return sorted(path for path in folder.rglob(name) if path.is_file())


def _distinct(listing: Listing) -> Listing:
    """Leave out boxes that repeat another of their image, as in merged exports, and note how many."""
    entries = [replace(entry, boxes=list(dict.fromkeys(entry.boxes))) for entry in listing.entries]
    pairs = zip(listing.entries, entries, strict=True)
    repeated = [len(before.boxes) - len(after.boxes) for before, after in pairs if len(before.boxes) > len(after.boxes)]
    if not repeated:
        return listing
    note = f"repeated boxes count once: {sum(repeated)} left out (images: {len(repeated)})"
    return replace(listing, entries=entries, notes=(*listing.notes, note))


def _read_yolo(folder: Path, card: Path) -> Listing:
    """List the images of a YOLO export, whose own folder has the file `card`, and label files without an image.

    An image's labels are in the file of the same name below `labels` instead of `images`, or beside it in a
    folder such as CVAT's `obj_train_data`. An empty file says that there is nothing to find; no file, that
    nobody labelled the image.
    """
    export = _read_card(card)
    root = card.parent
    label_files = frozenset(path for path in root.rglob("*.txt") if _holds_labels(path.relative_to(root).parts[:-1]))
    labels = {_nfc(path): path for path in label_files}
    listed = []
    for file in images_below(folder):
        label = labels.pop(_nfc(_label_file(file, root)), None) if file.is_relative_to(root) else None
        boxes, refused = _read_boxes(label, export) if label else ([], "")
        listed.append(
            Listed(
                image=image_id(file.name),
                file=file,
                labelled_by=label.relative_to(root).as_posix() if label else "",
                official_split=side_of(file.relative_to(root if file.is_relative_to(root) else folder)),
                source_image=source_of(image_id(file.name)),
                boxes=boxes,
                refused=refused,
            )
        )
    for label in sorted(labels.values()):
        where = label.relative_to(root)
        listed.append(Listed(_nfc(Path(label.stem)), None, labelled_by=where.as_posix(), official_split=side_of(where)))
    return Listing(listed, label_files | {card})


def _holds_labels(folders: tuple[str, ...]) -> bool:
    return "labels" in folders or any(re.fullmatch(r"obj_\w+_data", name, re.IGNORECASE) for name in folders)


@dataclass(frozen=True)
class _Export:
    """What an export says of its label files."""

    names: list[str]
    keypoints: int
    """Numbers after each box, of a keypoint project; 0 for others."""


def _read_card(card: Path) -> _Export:
    """Read `names` of a data.yaml, a list or a mapping from 0 on, `nc` and `kpt_shape`; or a list of class names.

    Raises SonotraceError where they are unusable, or `nc` is not the number of names.
    """
    if card.name in CLASS_LISTS:
        try:
            lines = card.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            raise SonotraceError(f"{card}: not UTF-8; save it as UTF-8, one class name per line") from None
        return _Export([line.strip() for line in lines if line.strip()], 0)
    try:
        content = read_yaml(card.read_text(encoding="utf-8"))
        names = content["names"]
        if isinstance(names, dict):
            names = [names[index] for index in range(len(names))]
    except (ValueError, KeyError, TypeError):
        names = None
    if not isinstance(names, list):
        raise SonotraceError(f"{card}: no usable list of class names; export again as YOLOv8, or add `names: [...]`")
    if content.get("nc", len(names)) != len(names):
        raise SonotraceError(f"{card}: nc is {content['nc']!r}, but there are {len(names)} names; correct one of them")
    shape = content.get("kpt_shape", [0, 0])
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(size) is int and size >= 0 for size in shape):
        raise SonotraceError(f"{card}: kpt_shape is {shape!r}, not [points, numbers per point]; export it again")
    return _Export([str(name) for name in names], shape[0] * shape[1])


def _label_file(image: Path, root: Path) -> Path:
    parts = ["labels" if part == "images" else part for part in image.relative_to(root).parts]
    return root.joinpath(*parts).with_suffix(".txt")


def _nfc(path: Path) -> str:
    """Return the one Unicode form for paths that look the same; macOS writes another."""
    return unicodedata.normalize("NFC", path.as_posix())


def _read_boxes(path: Path, export: _Export) -> tuple[list[Box], str]:
    """Return the boxes of a label file, or none and why they cannot be used, as `reason: detail`."""
    boxes = []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except IsADirectoryError:
        return [], "unreadable box: its label file is a folder; export again"
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        box = _read_box(line.split(), export)
        if isinstance(box, str):
            return [], f"unreadable box: line {number} of its label file {box}; export boxes or polygons"
        boxes.append(box)
    return boxes, ""


def _read_box(values: list[str], export: _Export) -> Box | str:
    """Read `class cx cy w h`, perhaps with keypoints, or a polygon `class x y x y x y ...` as its bounds.

    A rotated box, as Ultralytics and CVAT write it, is a polygon of its four corners.

    Where neither `kpt_shape` nor the number of values proves which it is, return why not. A tracker of
    Ultralytics writes `class cx cy w h confidence id`, as long as a triangle, and `id` is a whole number.
    """
    try:
        index, *numbers = (float(value) for value in values)
    except ValueError:
        return "holds other than numbers"
    if not all(map(math.isfinite, numbers)):
        return "holds other than finite numbers"
    known = index.is_integer() and 0 <= index < len(export.names)
    structure = export.names[int(index)] if known else f"class {values[0]}"
    count = len(numbers)
    if count == 4 or (export.keypoints and count == 4 + export.keypoints):
        x, y, width, height = numbers[:4]
        return Box(structure, x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if export.keypoints:
        return f"has {count + 1} values, not the {5 + export.keypoints} that kpt_shape in data.yaml means"
    if count < 6 or count % 2:
        return f"has {count + 1} values, as neither a box (5) nor a polygon (7, 9, 11, ...) has"
    if count == 6 and numbers[-1].is_integer():
        return "may be a tracked box with confidence and id, or a triangle"
    xs, ys = numbers[::2], numbers[1::2]
    return Box(structure, min(xs), min(ys), max(xs), max(ys))
