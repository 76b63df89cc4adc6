"""Seeded, changed copies of training images; those made before in the same way are reused."""

import hashlib
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from sonotrace.images import augmentation, boxes, grey
from sonotrace.images.augmentation import apply_to_boxes, apply_to_image, draw
from sonotrace.images.boxes import Boxes
from sonotrace.images.grey import encode_pages, header_size, read_grey
from sonotrace.params.augment import AugmentOne
from sonotrace.running.item_cache import ItemCache
from sonotrace.tables import CORNERS, is_recovered


class Original(NamedTuple):
    """A training image to copy."""

    image: str
    sha256: str
    """Of its bytes as it was pulled; decides what the copies look like."""
    structures: list[str]
    corners: Boxes
    """Its boxes, shape (n, 4)."""


def open_cache(params: AugmentOne, top: Path | None = None) -> ItemCache:
    """Open the copies made before in the same way."""
    changes = params.model_dump(exclude={"min_visible"})
    return ItemCache("augment", [augmentation, boxes, grey, sys.modules[__name__]], changes, top)


def originals(
    table: pd.DataFrame, before: bool, box_table: pd.DataFrame, sides: tuple[str, ...] = ("train",)
) -> list[Original]:
    """Return the images of these sides that are no augmented copies already, sorted.

    Copies are those whose source the snapshot holds more than once and, where the snapshot was
    augmented `before`, all of its own training side; but not what was recovered from copies.
    """
    copies = table[table["source_image"] != ""].groupby("source_image").size()
    copied = table["source_image"].map(copies).fillna(1) > 1
    if before:
        copied |= (table["official_split"] == "train") & ~is_recovered(table)
    chosen = table[table["side"].isin(sides) & ~copied].sort_values("image")
    own = {
        str(image): (list(rows["structure"]), rows[CORNERS].to_numpy(np.float64))
        for image, rows in box_table.groupby("image")
    }
    none: tuple[list[str], Boxes] = ([], np.empty((0, 4)))
    return [
        Original(image, sha256, *own.get(image, none))
        for image, sha256 in zip(chosen["image"], chosen["sha256"], strict=True)
    ]


def copy_name(image: str, copy: int) -> str:
    """Return the id of a copy, counted from 1 as the pages of a TIFF are; no image can be called that."""
    return f"{image}/{copy}"


def copy_image(
    original: Original, params: AugmentOne, source: Path, target: Path, cache: ItemCache
) -> list[tuple[object, ...]]:
    """Write the copies of one image as `target/<image>.tif`, and return the boxes in them.

    Each box is (copy, structure, x0, y0, x1, y1).
    """
    image, sha256, structures, corners = original
    file = source / f"{image}.png"
    copies = range(1, params.copies + 1)

    def make() -> bytes:
        picture = read_grey(file)
        height, width = picture.shape
        return encode_pages([apply_to_image(picture, draw(params, sha256, copy, width, height)) for copy in copies])

    prepared = hashlib.sha256(file.read_bytes()).hexdigest()
    cache.file(f"{sha256} {prepared}", target / f"{image}.tif", make)
    if not structures:
        return []
    width, height = header_size(file) or read_grey(file).shape[::-1]
    rows: list[tuple[object, ...]] = []
    for copy in copies:
        change = draw(params, sha256, copy, width, height)
        moved, kept = apply_to_boxes(corners, change, width, height, params.min_visible)
        names = (structure for structure, stays in zip(structures, kept, strict=True) if stays)
        shown = zip(names, moved.round(3).tolist(), strict=True)
        rows += [(copy_name(image, copy), structure, *box) for structure, box in shown]
    return rows
