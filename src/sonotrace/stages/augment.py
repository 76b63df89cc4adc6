"""augment: make seeded, changed copies of the training images, and move their boxes along.

Needs `split.csv`, what prepare left and what pull says of the snapshot; leaves, in `data/<data set>/augment`, `images`,
with one pack of copies per patient, `copies.csv` (copy, image) and `boxes.csv`. What came augmented, as Roboflow
exports it, is not augmented again.
"""

import json

import pandas as pd

from sonotrace.images.copies import copied_boxes, copy_images, open_cache, originals
from sonotrace.images.packs import copy_name, stored_in
from sonotrace.params import load
from sonotrace.places import REPORTS, folder
from sonotrace.running.outputs import building, write_csv
from sonotrace.running.progress import bar, say
from sonotrace.tables import COPY_COLUMNS, USED_BOX_COLUMNS, read_table


def run(data_set: str) -> None:
    """Augment the training side of `data_set` on all cores; copies made before are reused."""
    everything = load()
    params = everything.augment[data_set]
    # Folds learn from all but the test side.
    sides = ("train", "val") if data_set in everything.folds.all_data_sets else ("train",)
    prepare, out = folder(data_set, "prepare"), folder(data_set, "augment")
    table = read_table(folder(data_set, "split") / "split.csv")
    chosen = originals(table, augmented_before(data_set), read_table(prepare / "boxes.csv"), sides)
    already = int(table["side"].isin(sides).sum()) - len(chosen)
    noted = f"; {already} are augmented copies already" if already else ""
    say(f"augment: {params.copies} copies of {len(chosen)} {data_set} training images{noted}")
    with open_cache(params) as cache, building(out / "images") as target, bar("augment", len(chosen)) as advance:
        target.mkdir()
        prepared, made = stored_in(prepare / "images"), 0
        for is_new in copy_images(chosen, params, prepared, target, cache):
            made += is_new * params.copies
            advance(1)
    width, height = everything.prepare[data_set].width, everything.prepare[data_set].height
    moved = [row for original in chosen for row in copied_boxes(original, params, width, height)]
    names = [
        (copy_name(original.image, copy), original.image) for original in chosen for copy in range(1, params.copies + 1)
    ]
    write_csv(pd.DataFrame(names, columns=list(COPY_COLUMNS)), out / "copies.csv")
    write_csv(pd.DataFrame(moved, columns=list(USED_BOX_COLUMNS)), out / "boxes.csv")
    say(f"augment: {made} made, {len(names) - made} reused")


def augmented_before(data_set: str) -> bool:
    """Say whether the snapshot's source states that it augmented the images of its training side."""
    return bool(json.loads((REPORTS / data_set / "snapshot.json").read_text(encoding="utf-8"))["augmentation"])
