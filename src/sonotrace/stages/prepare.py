"""prepare: bring every accepted image to one size, and its boxes with it.

Needs the images of pull, those that validate recovered, and its tables; leaves, in `data/<data set>/prepare`, `images`,
with one pack of images per patient, and `boxes.csv`. What its shards have made, if there are any, it takes over.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sonotrace.images.preparation import Preparation
from sonotrace.images.prepared import Accepted, move_boxes, open_cache, prepare_images
from sonotrace.params import load
from sonotrace.places import folder
from sonotrace.running.leftovers import clear_other_shards
from sonotrace.running.outputs import building, write_csv
from sonotrace.running.progress import bar, say
from sonotrace.tables import is_recovered, read_table


def run(data_set: str) -> None:
    """Prepare the accepted images of `data_set` on all cores; those prepared before are reused."""
    everything = load()
    params = Preparation.from_mapping(everything.prepare[data_set].model_dump())
    clear_other_shards(data_set, "prepare", everything.shards.of("prepare", data_set))
    accepted = read_table(folder(data_set, "validate") / "accepted.csv")
    boxes = read_table(folder(data_set, "validate") / "boxes.csv")
    out = folder(data_set, "prepare")
    say(f"prepare: {len(accepted)} {data_set} images to {params.width}x{params.height} px")
    made = write_prepared("prepare", accepted_images(data_set, accepted), params, out / "images")
    write_csv(move_boxes(boxes, accepted, params), out / "boxes.csv")
    say(f"prepare: {made} made, {len(accepted) - made} reused")


def accepted_images(data_set: str, accepted: pd.DataFrame) -> list[Accepted]:
    """Return the images of the table `accepted`, each with its file: as it was pulled, or recovered."""
    pulled, recovered = folder(data_set, "pull") / "images", folder(data_set, "validate") / "recovered/images"
    files = [
        (recovered if is_own else pulled) / file
        for file, is_own in zip(accepted["file"], is_recovered(accepted), strict=True)
    ]
    rows = zip(accepted["image"], files, accepted["sha256"], accepted["patient"], strict=True)
    return [Accepted(*row) for row in rows]


def write_prepared(title: str, images: Sequence[Accepted], params: Preparation, out: Path) -> int:
    """Write the packs of these images into the folder `out`; return how many images were made anew."""
    made = 0
    with open_cache(params) as cache, building(out) as target, bar(title, len(images)) as advance:
        target.mkdir()
        for is_new in prepare_images(params, images, target, cache):
            made += is_new
            advance(1)
    return made
