"""Prepare all images of a data set, and their boxes; those prepared before in the same way are reused."""

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from sonotrace.images import grey, packs, preparation
from sonotrace.images.boxes import Boxes
from sonotrace.images.grey import STORED, encode_png, read_grey
from sonotrace.images.packs import pack, pack_name
from sonotrace.images.preparation import Preparation
from sonotrace.running.item_cache import ItemCache
from sonotrace.running.parallel import BATCH, in_order
from sonotrace.tables import CORNERS


class Accepted(NamedTuple):
    """An image to prepare."""

    image: str
    file: Path
    sha256: str
    """Of the file."""
    patient: str


def open_cache(params: Preparation, top: Path | None = None) -> ItemCache:
    """Open the images prepared before in the same way."""
    return ItemCache("prepare", [grey, packs, preparation, sys.modules[__name__]], params, top)


def prepare_images(params: Preparation, images: Iterable[Accepted], target: Path, cache: ItemCache) -> Iterator[bool]:
    """Write the images of each patient as a pack into `target`; yield, for each image, whether it was made anew."""
    of_pack = sorted((pack_name(one.patient, one.image), one) for one in images)
    groups = [(name, [one for _, one in some]) for name, some in groupby(of_pack, key=lambda pair: pair[0])]

    def prepared(one: Accepted) -> bytes:
        return encode_png(params.apply(read_grey(one.file)), STORED)

    def write(group: tuple[str, list[Accepted]]) -> list[bool]:
        name, own = group
        item = "\n".join(f"{one.sha256} {one.image}" for one in own)
        made = cache.file(item, target / name, lambda: pack([(one.image, prepared(one)) for one in own]))
        return [made] * len(own)

    for made in in_order(write, groups, batch=BATCH):
        yield from made


def move_boxes(boxes: pd.DataFrame, accepted: pd.DataFrame, params: Preparation) -> pd.DataFrame:
    """Return the box table in px of the prepared images."""
    sizes = boxes[["image"]].merge(accepted[["image", "width", "height"]], on="image", how="left")
    corners: Boxes = boxes[CORNERS].to_numpy(float)
    for (width, height), rows in sizes.groupby(["width", "height"]).indices.items():
        corners[rows] = params.placement(width, height).to_prepared(corners[rows])
    return boxes.assign(**dict(zip(CORNERS, corners.T.round(3), strict=True)))
