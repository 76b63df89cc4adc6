"""Seeded, changed copies of training images; those made before in the same way are reused."""

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from sonotrace.images import augmentation, boxes, grey, packs
from sonotrace.images.augmentation import apply_to_boxes, apply_to_image, draw
from sonotrace.images.boxes import Boxes
from sonotrace.images.grey import STORED, encode_png
from sonotrace.images.packs import Stored, copy_name, pack
from sonotrace.params.augment import AugmentOne
from sonotrace.running.item_cache import ItemCache
from sonotrace.running.parallel import BATCH, in_order
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
    return ItemCache("augment", [augmentation, boxes, grey, packs, sys.modules[__name__]], changes, top)


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


def copy_images(
    chosen: Iterable[Original], params: AugmentOne, prepared: Stored, target: Path, cache: ItemCache
) -> Iterator[bool]:
    """Write the copies of each patient's images as a pack into `target`, named like that of the prepared images.

    Yields, for each image, whether its copies were made anew.
    """
    of_pack = sorted((prepared[one.image].file.name, one.image, one.sha256) for one in chosen)
    groups = [(name, list(some)) for name, some in groupby(of_pack, key=lambda row: row[0])]
    numbers = range(1, params.copies + 1)

    def copies(image: str, sha256: str) -> Iterator[tuple[str, bytes]]:
        picture = prepared[image].read()
        height, width = picture.shape
        for copy in numbers:
            change = draw(params, sha256, copy, width, height)
            yield copy_name(image, copy), encode_png(apply_to_image(picture, change), STORED)

    def write(group: tuple[str, list[tuple[str, str, str]]]) -> list[bool]:
        name, own = group
        # With the bytes that an image was made from, the CRC-32 tells whether it was prepared in the same way.
        item = "\n".join(f"{sha256} {prepared[image].crc:08x} {image}" for _, image, sha256 in own)
        made = cache.file(item, target / name, lambda: pack([one for _, *row in own for one in copies(*row)]))
        return [made] * len(own)

    for made in in_order(write, groups if params.copies else [], batch=BATCH):
        yield from made


def copied_boxes(original: Original, params: AugmentOne, width: int, height: int) -> list[tuple[object, ...]]:
    """Return the boxes in the copies of an image of this size in px, as (copy, structure, x0, y0, x1, y1)."""
    rows: list[tuple[object, ...]] = []
    image, sha256, structures, corners = original
    for copy in range(1, params.copies + 1) if structures else ():
        change = draw(params, sha256, copy, width, height)
        moved, kept = apply_to_boxes(corners, change, width, height, params.min_visible)
        names = (structure for structure, stays in zip(structures, kept, strict=True) if stays)
        shown = zip(names, moved.round(3).tolist(), strict=True)
        rows += [(copy_name(image, copy), structure, *box) for structure, box in shown]
    return rows
