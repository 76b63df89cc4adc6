"""Read labels in COCO JSON: Roboflow's export, with one file per side, or a single file.

The format is that of https://cocodataset.org/#format-data: `images`, `annotations`, `categories`.
Of an annotation the box is used, `[x, y, width, height]` in px, or the bounds of its polygons where it
has no box; `iscrowd` is not looked at.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from sonotrace.documents import read_json
from sonotrace.errors import SonotraceError
from sonotrace.images.grey import header_size
from sonotrace.labels.listing import Box, Listed, image_id, images_below, side_called, side_of, source_of

_LISTS = ("images", "annotations", "categories")
_NOWHERE = (math.nan, math.nan, math.nan, math.nan)


def find(folder: Path) -> tuple[dict[Path, dict[str, Any]], list[str]]:
    """Return the COCO files in `folder` and below, parsed, and what is wrong with others, in one line each.

    A COCO file is any .json that has all three lists. Hidden files and folders are passed over.
    """
    found, faults = {}, []
    for path in sorted(folder.rglob("*.json")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts) or not path.is_file():
            continue
        try:
            document = read_json(path.read_bytes())
        except ValueError as error:
            faults.append(f"{path}: not JSON ({error}); export it again, or remove it")
            continue
        if isinstance(document, dict) and document.keys() >= set(_LISTS):
            found[path] = document
        elif path.name.endswith(".coco.json"):
            faults.append(f"{path}: lacks one of {', '.join(_LISTS)}; export it again as COCO")
    return found, faults


def read(folder: Path, documents: dict[Path, dict[str, Any]]) -> list[Listed]:
    """List the images below `folder` with their boxes, and rows without an image.

    An image that a document names without annotations was looked at and has nothing to find; one that no
    document names was not looked at. Rows come with `refused` where a file name leads out of the
    snapshot, an id is unusable, the size stated is not the file's, or an image is labelled twice.
    """
    files = {_nfc(file.relative_to(folder).as_posix()): file for file in images_below(folder)}
    rows = [row for path in documents for row in _rows(path, documents[path], folder, files)]
    times = Counter(row.file for row in rows)
    listed = [
        replace(row, boxes=[], refused=row.refused or f"labelled twice: {times[row.file]} rows name this file")
        if row.file and times[row.file] > 1
        else row
        for row in rows
    ]
    listed.extend(
        Listed(
            image_id(file.name), file, official_split=side_of(Path(name)), source_image=source_of(image_id(file.name))
        )
        for name, file in files.items()
        if file not in times
    )
    return listed


def _rows(path: Path, document: dict[str, Any], folder: Path, files: dict[str, Path]) -> Iterator[Listed]:
    """Yield one row per entry of `images`, then one per image id that only annotations have."""
    where = path.relative_to(folder)
    structures = _structures(path, document)
    annotations: dict[str, list[dict[str, Any]]] = {}
    for annotation in _entries(path, document, "annotations"):
        annotations.setdefault(str(annotation.get("image_id")), []).append(annotation)
    images = _entries(path, document, "images")
    times = Counter(str(image.get("id")) for image in images)
    side = side_of(where) or side_called(_subset(where))
    for image in images:
        key = str(image.get("id"))
        row = Listed(key, None, "", f"{where.as_posix()}#{key}", side)
        if not isinstance(image.get("id"), int | str) or times[key] > 1:
            yield replace(row, refused=f"unusable image id: {times[key]} images have the id {key}")
            continue
        name = _safe(image.get("file_name"))
        if name is None:
            yield replace(row, refused="unusable file name: it is missing or leads out of the snapshot")
            continue
        file = _file(where, name, files)
        row = replace(row, image=image_id(name.name), file=file)
        if file is None:
            yield row
            continue
        side_here = side_of(file.relative_to(folder)) or side
        row = replace(row, official_split=side_here, source_image=source_of(row.image))
        stated, actual = (image.get("width"), image.get("height")), header_size(file)
        size, fault = _agreed(stated, actual)
        boxes = [] if fault else [_box(annotation, structures, size) for annotation in annotations.get(key, [])]
        yield replace(row, refused=fault, boxes=boxes)
    for key in sorted(annotations.keys() - times.keys()):
        yield Listed(key, None, "", f"{where.as_posix()}#{key}", side)


def _entries(path: Path, document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    entries = document[name]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SonotraceError(f"{path}: {name} is not a list of objects; export it again as COCO")
    return entries


def _structures(path: Path, document: dict[str, Any]) -> dict[str, str]:
    """Return category id -> name; Roboflow adds a category 0 for all, which no annotation has."""
    names: dict[str, str] = {}
    for category in _entries(path, document, "categories"):
        key, name = str(category.get("id")), str(category.get("name"))
        if names.setdefault(key, name) != name:
            raise SonotraceError(f"{path}: category id {key} is {names[key]} and {name}; give each an id of its own")
    return names


def _safe(name: object) -> PurePosixPath | None:
    """Return a file name as a path below the file that states it, or None where it is none."""
    if not isinstance(name, str):
        return None
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return None
    return path


def _file(where: Path, name: PurePosixPath, files: dict[str, Path]) -> Path | None:
    """Find an image: beside the document or in `images` there, else the same one folder up.

    In `images` it may also lie in a folder of the subset that `instances_<subset>.json` names.
    """
    beside = PurePosixPath(where.parent.as_posix())
    for base in (beside, beside.parent):
        for below in (base, base / "images", base / "images" / _subset(where)):
            file = files.get(_nfc((below / name).as_posix()))
            if file:
                return file
    return None


def _nfc(name: str) -> str:
    """Return the one Unicode form for names that look the same; macOS writes another."""
    return unicodedata.normalize("NFC", name)


def _subset(where: Path) -> str:
    return where.stem.removeprefix("instances_")


def _agreed(stated: tuple[Any, Any], actual: tuple[int, int] | None) -> tuple[tuple[float, float], str]:
    """Return an image's width and height in px, and why it is refused.

    What is stated may be missing, and the header may be unreadable, as that of DICOM is here.
    """
    if None in stated:
        return actual or (math.nan, math.nan), ""
    if not all(_is_number(value) and value > 0 for value in stated):
        return (math.nan, math.nan), "unusable size in labels: width and height are no numbers above 0"
    if actual and stated != actual:
        shown = f"{stated[0]} x {stated[1]} px, the image has {actual[0]} x {actual[1]}"
        return (math.nan, math.nan), f"size differs from labels: they say {shown}"
    return stated, ""


def _box(annotation: dict[str, Any], structures: dict[str, str], size: tuple[float, float]) -> Box:
    category = annotation.get("category_id")
    x0, y0, x1, y1 = _corners(annotation)
    width, height = size
    name = structures.get(str(category), f"class {category}")
    return Box(name, x0 / width, y0 / height, x1 / width, y1 / height)


def _corners(annotation: dict[str, Any]) -> tuple[float, float, float, float]:
    """Return x0, y0, x1, y1 in px; NaN where they cannot be read."""
    box = annotation.get("bbox")
    if box:
        if not _are_numbers(box) or len(box) != 4:
            return _NOWHERE
        x, y, width, height = box
        return _turned(x, y, x + width, y + height, annotation.get("attributes"))
    polygons = annotation.get("segmentation")
    if not isinstance(polygons, list) or not polygons:
        return _NOWHERE
    if not all(_are_numbers(polygon) and len(polygon) >= 6 and len(polygon) % 2 == 0 for polygon in polygons):
        return _NOWHERE
    xs = [x for polygon in polygons for x in polygon[::2]]
    ys = [y for polygon in polygons for y in polygon[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def _turned(x0: float, y0: float, x1: float, y1: float, attributes: object) -> tuple[float, float, float, float]:
    """Return the bounds of a box that CVAT states before its rotation, an attribute in degrees about the centre."""
    degrees = attributes.get("rotation", 0) if isinstance(attributes, dict) else 0
    if not _is_number(degrees):
        return _NOWHERE
    if degrees % 180 == 0:
        return x0, y0, x1, y1
    radians = math.radians(degrees)
    cos, sin = abs(math.cos(radians)), abs(math.sin(radians))
    x, y, width, height = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    across, down = (width * cos + height * sin) / 2, (width * sin + height * cos) / 2
    return x - across, y - down, x + across, y + down


def _are_numbers(values: object) -> bool:
    return isinstance(values, list) and all(_is_number(value) for value in values)


def _is_number(value: object) -> bool:
    """Tell a finite number of a size that pixels have; JSON's numbers may be of any length."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
