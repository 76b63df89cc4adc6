"""augment: make seeded, changed copies of the training images, and move their boxes along.

Needs `split.csv`, what prepare left and what pull says of the snapshot; leaves
`images/<image id>__<copy>.png`, `copies.csv` (copy, image) and `boxes.csv` in
`data/<data set>/augment`. What came augmented, as Roboflow exports it, is not augmented again.
"""

import functools
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from sonotrace import augmentation, boxes, images
from sonotrace.augmentation import apply_to_boxes, apply_to_image, draw
from sonotrace.boxes import Boxes
from sonotrace.images import STORED, encode_png, header_size, read_grey
from sonotrace.item_cache import ItemCache
from sonotrace.manifest import CORNERS, read_table
from sonotrace.outputs import building, write_csv
from sonotrace.parallel import BATCH, in_order
from sonotrace.params import AugmentOne, load
from sonotrace.progress import bar, say
from sonotrace.stages import REPORTS, folder


def run(data_set: str) -> None:
    """Augment the training side of `data_set` on all cores; copies made before are taken over."""
    params = getattr(load().augment, data_set)
    prepare, out = folder(data_set, "prepare"), folder(data_set, "augment")
    table = read_table(folder(data_set, "split") / "split.csv")
    box_table = read_table(prepare / "boxes.csv")
    chosen = images_to_augment(table, augmented_before(data_set))
    already = int((table["side"] == "train").sum()) - len(chosen)
    noted = f"; {already} are augmented copies already" if already else ""
    say(f"augment: {params.copies} copies of {len(chosen)} {data_set} training images{noted}")
    own = {
        str(image): (list(rows["structure"]), rows[CORNERS].to_numpy(np.float64))
        for image, rows in box_table.groupby("image")
    }
    none: tuple[list[str], Boxes] = ([], np.empty((0, 4)))
    with open_cache(params) as cache, building(out / "images") as target, bar("augment", len(chosen)) as advance:
        target.mkdir()

        def one(image: str) -> list[tuple[object, ...]]:
            return copies_of(image, *own.get(image, none), params, prepare / "images", target, cache)

        moved: list[tuple[object, ...]] = []
        for rows in in_order(one, chosen, batch=BATCH):
            moved.extend(rows)
            advance(1)
    names = [(copy_name(image, copy), image) for image in chosen for copy in range(1, params.copies + 1)]
    write_csv(pd.DataFrame(names, columns=["copy", "image"]), out / "copies.csv")
    write_csv(pd.DataFrame(moved, columns=["image", "structure", *CORNERS]), out / "boxes.csv")
    say(f"augment: {cache.made} made, {len(names) - cache.made} taken over")


def open_cache(params: AugmentOne, top: Path | None = None) -> ItemCache:
    """Open the copies made before in the same way; how many of each image does not matter."""
    changes = params.model_dump(exclude={"copies", "min_visible"})
    return ItemCache("augment", [augmentation, boxes, images, sys.modules[__name__]], changes, top)


def augmented_before(data_set: str) -> bool:
    """Say whether the snapshot's source states that it augmented the images of its training side."""
    return bool(json.loads((REPORTS / data_set / "snapshot.json").read_text(encoding="utf-8"))["augmentation"])


def images_to_augment(table: pd.DataFrame, before: bool) -> list[str]:
    """Return the ids of the training images that are no augmented copies already, sorted.

    Copies are those whose source the snapshot holds more than once and, where the snapshot was
    augmented `before`, all of its own training side.
    """
    copies = table[table["source_image"] != ""].groupby("source_image").size()
    copied = table["source_image"].map(copies).fillna(1) > 1
    if before:
        copied |= table["official_split"] == "train"
    return sorted(table.loc[(table["side"] == "train") & ~copied, "image"])


def copy_name(image: str, copy: int) -> str:
    """Return the id of a copy; copies count from 1."""
    return f"{image}__{copy}"


def copies_of(
    image: str,
    structures: list[str],
    corners: Boxes,
    params: AugmentOne,
    source: Path,
    target: Path,
    cache: ItemCache,
) -> list[tuple[object, ...]]:
    """Write the copies of one image, and return the boxes in them as (copy, structure, x0, y0, x1, y1).

    `structures` and `corners`, shape (n, 4), are the boxes of the image.
    """
    file = source / f"{image}.png"
    original = hashlib.sha256(file.read_bytes()).hexdigest()
    picture = functools.cache(lambda: read_grey(file))
    rows: list[tuple[object, ...]] = []
    for copy in range(1, params.copies + 1):
        name = copy_name(image, copy)

        def make(copy: int = copy) -> bytes:
            height, width = picture().shape
            return encode_png(apply_to_image(picture(), draw(params, image, copy, width, height)), STORED)

        cache.file(f"{original} {name}", target / f"{name}.png", make)
        if structures:
            width, height = header_size(file) or picture().shape[::-1]
            change = draw(params, image, copy, width, height)
            moved, kept = apply_to_boxes(corners, change, width, height, params.min_visible)
            names = (structure for structure, stays in zip(structures, kept, strict=True) if stays)
            rows += [(name, structure, *box) for structure, box in zip(names, moved.round(3).tolist(), strict=True)]
    return rows
