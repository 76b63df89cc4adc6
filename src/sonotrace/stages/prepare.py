"""prepare: bring every accepted image to one size, and its boxes with it.

Needs the images of pull and the tables of validate; leaves `images/<image id>.png` and `boxes.csv`
in `data/<data set>/prepare`.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from sonotrace.boxes import Boxes
from sonotrace.images import STORED, read_grey, write_png
from sonotrace.manifest import CORNERS, read_table
from sonotrace.outputs import building, write_csv
from sonotrace.parallel import in_order
from sonotrace.params import load
from sonotrace.preparation import Preparation
from sonotrace.progress import bar, say
from sonotrace.stages import folder


def run(data_set: str) -> None:
    """Prepare the accepted images of `data_set` on all cores."""
    preparation = Preparation.from_mapping(getattr(load().prepare, data_set).model_dump())
    accepted = read_table(folder(data_set, "validate") / "accepted.csv")
    boxes = read_table(folder(data_set, "validate") / "boxes.csv")
    out = folder(data_set, "prepare")
    say(f"prepare: {len(accepted)} {data_set} images to {preparation.width}x{preparation.height} px")
    pairs = zip(accepted["image"], accepted["file"], strict=True)
    with building(out / "images") as images, bar("prepare", len(accepted)) as advance:
        images.mkdir()
        for _ in prepare_images(preparation, pairs, folder(data_set, "pull") / "images", images):
            advance(1)
    write_csv(move_boxes(boxes, accepted, preparation), out / "boxes.csv")


def prepare_images(
    preparation: Preparation, pairs: Iterable[tuple[str, str]], source: Path, target: Path
) -> Iterable[None]:
    """Write `target/<image>.png` for each pair of image id and file below `source`, one a step."""

    def one(pair: tuple[str, str]) -> None:
        image, file = pair
        write_png(preparation.apply(read_grey(source / file)), target / f"{image}.png", STORED)

    return in_order(one, pairs)


def move_boxes(boxes: pd.DataFrame, accepted: pd.DataFrame, preparation: Preparation) -> pd.DataFrame:
    """Return the box table in px of the prepared images."""
    sizes = boxes[["image"]].merge(accepted[["image", "width", "height"]], on="image", how="left")
    corners: Boxes = boxes[CORNERS].to_numpy(float)
    for (width, height), rows in sizes.groupby(["width", "height"]).indices.items():
        corners[rows] = preparation.placement(width, height).to_prepared(corners[rows])
    return boxes.assign(**dict(zip(CORNERS, corners.T.round(3), strict=True)))
