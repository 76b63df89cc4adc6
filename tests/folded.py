"""A small data set, trained on by folds: what the tests of these stages and of the audit look at."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from packed import packed

from sonotrace import cli
from sonotrace.images.packs import pack_name
from sonotrace.kinds.planes import PLANES
from sonotrace.running.outputs import write_csv
from sonotrace.tables import image_table

WRONG = {7: "femur", 20: "brain", 33: "abdomen"}
"""Image -> the label it has in vain."""
SETTINGS = {
    "folds": {"data_sets": ["planes"], "box_data_sets": [], "numbers": [1, 2], "seeds": [1]},
    "prepare.planes": {"width": 32, "height": 32},
    "train_cnn.planes": {"batch": 8, "threads": 1, "architecture": "published", "epochs": 6, "learning_rate": 0.001},
}


def write_params(top, settings):
    """Write params.yaml as shipped, but for `settings` (section -> key -> value), and the tables of decisions."""
    source = Path(__file__).parents[1]
    (top / "data").mkdir(parents=True)
    for table in ("corrections.csv", "withdrawn.csv"):
        shutil.copyfile(source / "data" / table, top / "data" / table)
    params = yaml.safe_load((source / "params.yaml").read_text())
    for key, values in settings.items():
        place = params
        for name in key.split("."):
            place = place[name]
        place.update(values)
    (top / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def make(top):
    """Prepare 96 easy images of 48 patients, each plane with a bright band of its own, three labelled wrong."""
    write_params(top, SETTINGS)
    random = np.random.default_rng(0)
    images, copies = top / "data/planes/prepare/images", top / "data/planes/augment/images"
    rows, copied = [], []
    for number in range(96):
        plane, image = number % 4, f"{number:03}"
        picture = random.integers(0, 60, (32, 32)).astype(np.uint8)
        picture[8 * plane : 8 * plane + 8] += 150
        own = pack_name(image, image).removesuffix(".zip")
        packed(images, {image: picture}, own)
        label = WRONG.get(number, PLANES[plane])
        rows.append({"image": image, "patient": str(number // 2), "label": label, "labelled_by": f"t.csv:{number}"})
        if number <= 80:
            packed(copies, {f"{image}/1": picture // 2}, own)
            copied.append(f"{image}/1,{image}\n")
    sides = ["test" if number > 80 else "val" if number > 68 else "train" for number in range(96)]
    table = image_table(rows).fillna("").assign(side=sides, width=32, height=32)
    write_csv(table, top / "data/planes/split/split.csv")
    (top / "data/planes/augment/copies.csv").write_text("copy,image\n" + "".join(copied))


def run(top, *arguments):
    """Run a command of ours there and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "sonotrace", *arguments],
        cwd=top,
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def train(top):
    """Make the data set, and train on its folds."""
    make(top)
    for fold in ("1", "2"):
        run(top, "train_cnn_fold", "planes", fold, "1")
    for stage in ("train_ensemble", "train_distilled"):
        run(top, stage, "planes")
