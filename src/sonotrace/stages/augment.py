"""augment: make seeded, changed copies of the training images, and move their boxes along.

Needs `split.csv`, what prepare left and what pull says of the snapshot; leaves, in
`data/<data set>/augment`, `images/<image id>.tif`, whose pages are the copies, `copies.csv` (copy,
image) and `boxes.csv`. What came augmented, as Roboflow exports it, is not augmented again.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from sonotrace.images import augmentation, boxes
from sonotrace.images import grey as images
from sonotrace.images.augmentation import apply_to_boxes, apply_to_image, draw
from sonotrace.images.boxes import Boxes
from sonotrace.images.grey import encode_pages, header_size, read_grey
from sonotrace.params import AugmentOne, load
from sonotrace.places import REPORTS, folder
from sonotrace.running.item_cache import ItemCache
from sonotrace.running.outputs import building, write_csv
from sonotrace.running.parallel import BATCH, in_order
from sonotrace.running.progress import bar, say
from sonotrace.tables import CORNERS, read_table


class Original(NamedTuple):
    """A training image to copy."""

    image: str
    sha256: str
    """Of its bytes as it was pulled; decides what the copies look like."""
    structures: list[str]
    corners: Boxes
    """Its boxes, shape (n, 4)."""


def run(data_set: str) -> None:
    """Augment the training side of `data_set` on all cores; copies made before are taken over."""
    params = getattr(load().augment, data_set)
    prepare, out = folder(data_set, "prepare"), folder(data_set, "augment")
    table = read_table(folder(data_set, "split") / "split.csv")
    chosen = originals(table, augmented_before(data_set), read_table(prepare / "boxes.csv"))
    already = int((table["side"] == "train").sum()) - len(chosen)
    noted = f"; {already} are augmented copies already" if already else ""
    say(f"augment: {params.copies} copies of {len(chosen)} {data_set} training images{noted}")
    with open_cache(params) as cache, building(out / "images") as target, bar("augment", len(chosen)) as advance:
        target.mkdir()

        def one(original: Original) -> list[tuple[object, ...]]:
            return copy_image(original, params, prepare / "images", target, cache)

        moved: list[tuple[object, ...]] = []
        for rows in in_order(one, chosen if params.copies else [], batch=BATCH):
            moved.extend(rows)
            advance(1)
    names = [
        (copy_name(original.image, copy), original.image) for original in chosen for copy in range(1, params.copies + 1)
    ]
    write_csv(pd.DataFrame(names, columns=["copy", "image"]), out / "copies.csv")
    write_csv(pd.DataFrame(moved, columns=["image", "structure", *CORNERS]), out / "boxes.csv")
    made = cache.made * params.copies
    say(f"augment: {made} made, {len(names) - made} taken over")


def open_cache(params: AugmentOne, top: Path | None = None) -> ItemCache:
    """Open the copies made before in the same way."""
    changes = params.model_dump(exclude={"min_visible"})
    return ItemCache("augment", [augmentation, boxes, images, sys.modules[__name__]], changes, top)


def augmented_before(data_set: str) -> bool:
    """Say whether the snapshot's source states that it augmented the images of its training side."""
    return bool(json.loads((REPORTS / data_set / "snapshot.json").read_text(encoding="utf-8"))["augmentation"])


def originals(table: pd.DataFrame, before: bool, box_table: pd.DataFrame) -> list[Original]:
    """Return the training images that are no augmented copies already, sorted.

    Copies are those whose source the snapshot holds more than once and, where the snapshot was
    augmented `before`, all of its own training side.
    """
    copies = table[table["source_image"] != ""].groupby("source_image").size()
    copied = table["source_image"].map(copies).fillna(1) > 1
    if before:
        copied |= table["official_split"] == "train"
    chosen = table[(table["side"] == "train") & ~copied].sort_values("image")
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
    """Return the id of a copy; copies count from 1, as the pages of a TIFF do."""
    return f"{image}__{copy}"


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
