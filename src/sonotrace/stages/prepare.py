"""prepare: bring every accepted image to one size, and its boxes with it.

Needs the images of pull and the tables of validate; leaves `images/<image id>.png` and `boxes.csv`
in `data/<data set>/prepare`.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from sonotrace.images import grey as images
from sonotrace.images import preparation
from sonotrace.images.boxes import Boxes
from sonotrace.images.grey import STORED, encode_png, read_grey
from sonotrace.images.preparation import Preparation
from sonotrace.params import load
from sonotrace.places import folder
from sonotrace.running.item_cache import ItemCache
from sonotrace.running.outputs import building, write_csv
from sonotrace.running.parallel import BATCH, in_order
from sonotrace.running.progress import bar, say
from sonotrace.tables import CORNERS, read_table


def run(data_set: str) -> None:
    """Prepare the accepted images of `data_set` on all cores; those prepared before are taken over."""
    params = Preparation.from_mapping(getattr(load().prepare, data_set).model_dump())
    accepted = read_table(folder(data_set, "validate") / "accepted.csv")
    boxes = read_table(folder(data_set, "validate") / "boxes.csv")
    out = folder(data_set, "prepare")
    say(f"prepare: {len(accepted)} {data_set} images to {params.width}x{params.height} px")
    rows = zip(accepted["image"], accepted["file"], accepted["sha256"], strict=True)
    with open_cache(params) as cache, building(out / "images") as target, bar("prepare", len(accepted)) as advance:
        target.mkdir()
        for _ in prepare_images(params, rows, folder(data_set, "pull") / "images", target, cache):
            advance(1)
    write_csv(move_boxes(boxes, accepted, params), out / "boxes.csv")
    say(f"prepare: {cache.made} made, {len(accepted) - cache.made} taken over")


def open_cache(params: Preparation, top: Path | None = None) -> ItemCache:
    """Open the images prepared before in the same way."""
    return ItemCache("prepare", [images, preparation, sys.modules[__name__]], params, top)


def prepare_images(
    params: Preparation, rows: Iterable[tuple[str, str, str]], source: Path, target: Path, cache: ItemCache
) -> Iterable[None]:
    """Write `target/<image>.png` for each image id, file below `source` and sha256 of that file, one a step."""

    def one(row: tuple[str, str, str]) -> None:
        image, file, sha256 = row
        cache.file(sha256, target / f"{image}.png", lambda: encode_png(params.apply(read_grey(source / file)), STORED))

    return in_order(one, rows, batch=BATCH)


def move_boxes(boxes: pd.DataFrame, accepted: pd.DataFrame, params: Preparation) -> pd.DataFrame:
    """Return the box table in px of the prepared images."""
    sizes = boxes[["image"]].merge(accepted[["image", "width", "height"]], on="image", how="left")
    corners: Boxes = boxes[CORNERS].to_numpy(float)
    for (width, height), rows in sizes.groupby(["width", "height"]).indices.items():
        corners[rows] = params.placement(width, height).to_prepared(corners[rows])
    return boxes.assign(**dict(zip(CORNERS, corners.T.round(3), strict=True)))
