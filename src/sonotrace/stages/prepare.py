"""prepare: bring every accepted image to one size, and its boxes with it.

Needs the images of pull, those that validate recovered, and its tables; leaves, in `data/<data set>/prepare`, `images`,
with one pack of images per patient, and `boxes.csv`.
"""

from sonotrace.images.preparation import Preparation
from sonotrace.images.prepared import Accepted, move_boxes, open_cache, prepare_images
from sonotrace.params import load
from sonotrace.places import folder
from sonotrace.running.outputs import building, write_csv
from sonotrace.running.progress import bar, say
from sonotrace.tables import is_recovered, read_table


def run(data_set: str) -> None:
    """Prepare the accepted images of `data_set` on all cores; those prepared before are reused."""
    params = Preparation.from_mapping(load().prepare[data_set].model_dump())
    accepted = read_table(folder(data_set, "validate") / "accepted.csv")
    boxes = read_table(folder(data_set, "validate") / "boxes.csv")
    out = folder(data_set, "prepare")
    say(f"prepare: {len(accepted)} {data_set} images to {params.width}x{params.height} px")
    pulled, recovered = folder(data_set, "pull") / "images", folder(data_set, "validate") / "recovered/images"
    files = [
        (recovered if is_own else pulled) / file
        for file, is_own in zip(accepted["file"], is_recovered(accepted), strict=True)
    ]
    rows = zip(accepted["image"], files, accepted["sha256"], accepted["patient"], strict=True)
    images, made = [Accepted(*row) for row in rows], 0
    with open_cache(params) as cache, building(out / "images") as target, bar("prepare", len(accepted)) as advance:
        target.mkdir()
        for is_new in prepare_images(params, images, target, cache):
            made += is_new
            advance(1)
    write_csv(move_boxes(boxes, accepted, params), out / "boxes.csv")
    say(f"prepare: {made} made, {len(accepted) - made} reused")
