"""A small data set of boxes, trained on by folds: what the tests of these stages look at."""

import folded
import numpy as np
import pandas as pd
from packed import packed

from sonotrace.kinds.structures import STRUCTURES
from sonotrace.patients.folds import fold_of
from sonotrace.running.outputs import write_csv
from sonotrace.tables import COPY_COLUMNS, USED_BOX_COLUMNS, image_table

SALT = "structures-1"
SETTINGS = {
    "folds": {"data_sets": [], "box_data_sets": ["structures"], "numbers": [1, 2], "seeds": [1]},
    "prepare.structures": {"width": 64, "height": 64},
    "train_yolo.structures": {"imgsz": 64, "epochs": 2, "batch": 8, "nominal_batch": 8, "threads": 1},
    "evaluate.structures": {"bootstrap": 100},
    "split.structures": {"salt": SALT},
}


def make(top):
    """Prepare 24 images of 12 subjects with a bright box each; two subjects are on the test side."""
    folded.write_params(top, SETTINGS)
    random = np.random.default_rng(0)
    at = top / "data/structures"
    rows, boxes, copies, copied = [], [], [], []
    for number in range(24):
        image, corners = f"{number:03}", (8 + number, 12, 28 + number, 36)
        picture = random.integers(0, 60, (64, 64)).astype(np.uint8)
        picture[12:36, corners[0] : corners[2]] += 150
        packed(at / "prepare/images", {image: picture}, image)
        rows.append({"image": image, "patient": str(number // 2)})
        boxes.append((image, STRUCTURES[number % 3], *map(float, corners)))
        if number < 20:
            packed(at / "augment/images", {f"{image}/1": picture // 2}, image)
            copies.append((f"{image}/1", image))
            copied.append((f"{image}/1", *boxes[-1][1:]))
    sides = ["train" if number < 16 else "val" if number < 20 else "test" for number in range(24)]
    table = image_table(rows).fillna("").assign(side=sides, width=128, height=64)
    write_csv(table, at / "split/split.csv")
    write_csv(pd.DataFrame(boxes, columns=list(USED_BOX_COLUMNS)), at / "prepare/boxes.csv")
    write_csv(pd.DataFrame(copied, columns=list(USED_BOX_COLUMNS)), at / "augment/boxes.csv")
    write_csv(pd.DataFrame(copies, columns=list(COPY_COLUMNS)), at / "augment/copies.csv")


def fold(patient):
    """Return the fold that a patient of this data set is dealt into."""
    return fold_of(patient, SALT, 2)


def train(top):
    """Make the data set, and train on its folds."""
    make(top)
    for number in ("1", "2"):
        folded.run(top, "train_yolo_fold", "structures", number, "1")
    folded.run(top, "evaluate_folds", "structures")
