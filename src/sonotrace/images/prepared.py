"""Prepare all images of a data set, and their boxes; those prepared before in the same way are reused."""

import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from sonotrace.images import grey, preparation
from sonotrace.images.boxes import Boxes
from sonotrace.images.grey import STORED, encode_png, read_grey
from sonotrace.images.preparation import Preparation
from sonotrace.running.item_cache import ItemCache
from sonotrace.running.parallel import BATCH, in_order
from sonotrace.tables import CORNERS


def open_cache(params: Preparation, top: Path | None = None) -> ItemCache:
    """Open the images prepared before in the same way."""
    return ItemCache("prepare", [grey, preparation, sys.modules[__name__]], params, top)


def prepare_images(
    params: Preparation, rows: Iterable[tuple[str, Path, str]], target: Path, cache: ItemCache
) -> Iterable[None]:
    """Write `target/<image>.png` for each image id, file and sha256 of that file, one per step."""

    def one(row: tuple[str, Path, str]) -> None:
        image, file, sha256 = row
        cache.file(sha256, target / f"{image}.png", lambda: encode_png(params.apply(read_grey(file)), STORED))

    return in_order(one, rows, batch=BATCH)


def move_boxes(boxes: pd.DataFrame, accepted: pd.DataFrame, params: Preparation) -> pd.DataFrame:
    """Return the box table in px of the prepared images."""
    sizes = boxes[["image"]].merge(accepted[["image", "width", "height"]], on="image", how="left")
    corners: Boxes = boxes[CORNERS].to_numpy(float)
    for (width, height), rows in sizes.groupby(["width", "height"]).indices.items():
        corners[rows] = params.placement(width, height).to_prepared(corners[rows])
    return boxes.assign(**dict(zip(CORNERS, corners.T.round(3), strict=True)))
