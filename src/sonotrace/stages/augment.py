"""augment: make seeded, changed copies of the training images, and move their boxes along.

Needs `split.csv`, what prepare left and what pull says of the snapshot; leaves, in `data/<data set>/augment`, `images`,
with one pack of copies per patient, `copies.csv` (copy, image) and `boxes.csv`. What came augmented, as Roboflow
exports it, is not augmented again. What its shards have made, if there are any, it takes over.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sonotrace.images.copies import Original, copied_boxes, copy_images, open_cache, originals
from sonotrace.images.packs import copy_name, stored_in
from sonotrace.params import Params, load
from sonotrace.params.augment import AugmentOne
from sonotrace.places import REPORTS, folder
from sonotrace.running.leftovers import clear_other_shards
from sonotrace.running.outputs import building, write_csv
from sonotrace.running.progress import bar, say
from sonotrace.tables import COPY_COLUMNS, USED_BOX_COLUMNS, read_table


def run(data_set: str) -> None:
    """Augment the training side of `data_set` on all cores; copies made before are reused."""
    everything = load()
    params, sides = everything.augment[data_set], sides_to_copy(data_set, everything)
    clear_other_shards(data_set, "augment", everything.shards.of("augment", data_set))
    prepare, out = folder(data_set, "prepare"), folder(data_set, "augment")
    table = read_table(folder(data_set, "split") / "split.csv")
    chosen = originals(table, augmented_before(data_set), read_table(prepare / "boxes.csv"), sides)
    already = int(table["side"].isin(sides).sum()) - len(chosen)
    noted = f"; {already} are augmented copies already" if already else ""
    say(f"augment: {params.copies} copies of {len(chosen)} {data_set} training images{noted}")
    made = write_copies("augment", chosen, params, prepare / "images", out / "images")
    width, height = everything.prepare[data_set].width, everything.prepare[data_set].height
    moved = [row for original in chosen for row in copied_boxes(original, params, width, height)]
    names = [
        (copy_name(original.image, copy), original.image) for original in chosen for copy in range(1, params.copies + 1)
    ]
    write_csv(pd.DataFrame(names, columns=list(COPY_COLUMNS)), out / "copies.csv")
    write_csv(pd.DataFrame(moved, columns=list(USED_BOX_COLUMNS)), out / "boxes.csv")
    say(f"augment: {made} made, {len(names) - made} reused")


def sides_to_copy(data_set: str, params: Params) -> tuple[str, ...]:
    """Return the sides whose images are copied: folds learn from all but the test side."""
    return ("train", "val") if data_set in params.folds.all_data_sets else ("train",)


def augmented_before(data_set: str) -> bool:
    """Say whether the snapshot's source states that it augmented the images of its training side."""
    return bool(json.loads((REPORTS / data_set / "snapshot.json").read_text(encoding="utf-8"))["augmentation"])


def write_copies(title: str, chosen: Sequence[Original], params: AugmentOne, prepared: Path, out: Path) -> int:
    """Write the packs of the copies of images in the folder `prepared` into the folder `out`.

    Returns how many copies were made anew.
    """
    made = 0
    with open_cache(params) as cache, building(out) as target, bar(title, len(chosen)) as advance:
        target.mkdir()
        for is_new in copy_images(chosen, params, stored_in(prepared), target, cache):
            made += is_new * params.copies
            advance(1)
    return made
