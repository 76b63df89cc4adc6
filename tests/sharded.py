"""A pulled, validated and split data set of a few patients, and its image stages run with and without shards."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import yaml
from cached import store

from sonotrace.places import folder, shard_images, shard_table
from sonotrace.running.outputs import write_csv, write_json
from sonotrace.stages import augment, augment_shard, prepare, prepare_shard
from sonotrace.tables import box_table, image_table, read_table

STAGES = {"prepare": (prepare, prepare_shard), "augment": (augment, augment_shard)}
SOURCE = folder("planes", "pull") / "images"
ACCEPTED = folder("planes", "validate") / "accepted.csv"


def lay_out(work: Path, patients: int) -> None:
    """Write two images of each patient, of all sizes, and one whose patient is unknown; every third patient is tested.

    The folder `work`, which is the working directory, becomes a repository of DVC's.
    """
    (work / ".dvc").mkdir(exist_ok=True)
    SOURCE.mkdir(parents=True, exist_ok=True)
    images = {f"Patient{number // 2:03}_{number % 2}": f"{number // 2:03}" for number in range(2 * patients)}
    rows = []
    for number, (image, patient) in enumerate(({"unknown": ""} | images).items()):
        width, height = 40 + number % 3, 30 + number % 5
        picture = np.random.default_rng(number).integers(0, 256, (height, width), np.uint8)
        cv2.imwrite(str(SOURCE / f"{image}.png"), picture)
        known = {"image": image, "file": f"{image}.png", "sha256": f"{number:064}", "patient": patient}
        rows.append(known | {"width": width, "height": height, "label": "Fetal brain"})
    table = image_table(rows)
    write_csv(table, ACCEPTED)
    write_csv(box_table([]).drop(columns="file"), ACCEPTED.with_name("boxes.csv"))
    tested = table["patient"].isin([f"{number:03}" for number in range(0, patients, 3)])
    write_csv(table.assign(side=tested.map({True: "test", False: "train"})), folder("planes", "split") / "split.csv")
    write_json({"augmentation": {}}, Path("reports/planes/snapshot.json"))


def set_shards(count: int, stages: tuple[str, ...] = ("prepare", "augment")) -> None:
    """Ask for shards of the planes in these stages; of few changes and small images, so that it is quick."""
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["shards"] = {name: ["planes"] if name in stages else [] for name in STAGES}
    content["shards"]["numbers"] = list(range(1, count + 1))
    content["prepare"]["planes"] |= {"width": 32, "height": 32}
    content["augment"]["planes"] |= {"copies": 2}
    Path("params.yaml").write_text(yaml.safe_dump(content))


def run(stage: str, shards: int) -> None:
    """Run the shards of a stage and then the stage, and have DVC's cache keep what each leaves."""
    whole, part = STAGES[stage]
    for shard in range(1, shards + 1):
        part.run("planes", shard)
        store(Path(), shard_images("planes", stage, shard))
    whole.run("planes")
    store(Path(), folder("planes", stage))


def left_without_shards(work: Path, patients: int, stage: str) -> dict[str, bytes]:
    """Lay images out, and return what a stage leaves without shards; what was made for it is then forgotten."""
    lay_out(work, patients)
    set_shards(2, stages=())
    for name in STAGES:
        run(name, 0)
        if name == stage:
            break
    made = contents(stage)
    shutil.rmtree(work / ".dvc/cache")
    shutil.rmtree(folder("planes", stage))
    return made


def contents(stage: str) -> dict[str, bytes]:
    """Return path -> bytes of all that a stage left."""
    return {str(path): path.read_bytes() for path in folder("planes", stage).rglob("*") if path.is_file()}


def packs_of_shards(stage: str, count: int) -> list[set[str]]:
    """Return the names of the packs of each shard, which its list has to name too."""
    found = []
    for shard in range(1, count + 1):
        names = {path.name for path in shard_images("planes", stage, shard).iterdir()}
        assert set(read_table(shard_table("planes", stage, shard))["pack"]) == names
        found.append(names)
    return found
