"""augment: make seeded, changed copies of the training images, and move their boxes along.

Needs `split.csv`, what prepare left and what pull says of the snapshot; leaves
`images/<image id>__<copy>.png`, `copies.csv` (copy, image) and `boxes.csv` in
`data/<data set>/augment`. What came augmented, as Roboflow exports it, is not augmented again.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from sonotrace.augmentation import apply_to_boxes, apply_to_image, draw
from sonotrace.images import STORED, read_grey, write_png
from sonotrace.manifest import CORNERS, read_table
from sonotrace.outputs import building, write_csv
from sonotrace.parallel import in_order
from sonotrace.params import AugmentOne, load
from sonotrace.progress import bar, say
from sonotrace.stages import REPORTS, folder


def run(data_set: str) -> None:
    """Augment the training side of `data_set` on all cores."""
    params = getattr(load().augment, data_set)
    prepare, out = folder(data_set, "prepare"), folder(data_set, "augment")
    table = read_table(folder(data_set, "split") / "split.csv")
    boxes = read_table(prepare / "boxes.csv")
    images = images_to_augment(table, augmented_before(data_set))
    already = int((table["side"] == "train").sum()) - len(images)
    noted = f"; {already} are augmented copies already" if already else ""
    say(f"augment: {params.copies} copies of {len(images)} {data_set} training images{noted}")
    by_image = {str(image): rows for image, rows in boxes.groupby("image")}
    with building(out / "images") as target, bar("augment", len(images)) as advance:
        target.mkdir()

        def one(image: str) -> pd.DataFrame:
            return copies_of(image, by_image.get(image, boxes[:0]), params, prepare / "images", target)

        moved = []
        for rows in in_order(one, images):
            moved.append(rows)
            advance(1)
    names = [(copy_name(image, copy), image) for image in images for copy in range(1, params.copies + 1)]
    write_csv(pd.DataFrame(names, columns=["copy", "image"]), out / "copies.csv")
    write_csv(pd.concat([boxes[:0], *moved]), out / "boxes.csv")


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


def copies_of(image: str, boxes: pd.DataFrame, params: AugmentOne, source: Path, target: Path) -> pd.DataFrame:
    """Write the copies of one image, and return the box rows of all of them."""
    original = read_grey(source / f"{image}.png")
    height, width = original.shape
    corners = boxes[CORNERS].to_numpy(np.float64)
    tables = [boxes[:0]]
    for copy in range(1, params.copies + 1):
        change = draw(params, image, copy, width, height)
        write_png(apply_to_image(original, change), target / f"{copy_name(image, copy)}.png", STORED)
        moved, kept = apply_to_boxes(corners, change, width, height, params.min_visible)
        values = dict(zip(CORNERS, moved.T.round(3), strict=True))
        tables.append(boxes[kept].assign(image=copy_name(image, copy), **values))
    return pd.concat(tables)
