"""split: put every patient, with all images, on one side: train, val or test.

Needs `accepted.csv` of validate; leaves `split.csv` in `data/<data set>/split` (the accepted rows
with their side) and `reports/<data set>/split.json`.
"""

import hashlib
from collections.abc import Iterable

import pandas as pd

from sonotrace.manifest import read_table
from sonotrace.outputs import write_csv, write_json
from sonotrace.params import Fractions, SplitOne, load
from sonotrace.planes import classes_in
from sonotrace.progress import say
from sonotrace.stages import REPORTS, folder
from sonotrace.structures import STRUCTURES

SIDES = ("train", "val", "test")


def run(data_set: str) -> None:
    """Split `data_set` by patient and say how many images of each class each side has."""
    params = getattr(load().split, data_set)
    accepted = read_table(folder(data_set, "validate") / "accepted.csv")
    boxes = read_table(folder(data_set, "validate") / "boxes.csv")
    table = accepted.assign(side=sides_of(accepted, params))
    write_csv(table, folder(data_set, "split") / "split.csv")
    report = describe(data_set, table, boxes)
    write_json(report, REPORTS / data_set / "split.json")
    counts = ", ".join(f"{side} {(table['side'] == side).sum()}" for side in SIDES)
    say(f"split: {table['patient'].nunique()} patients, {data_set} images: {counts}")
    for warning in warnings(data_set, report):
        say(f"split: warning: {warning}")


def place(patient: str, salt: str) -> float:
    """Return the patient's place between 0 and 1: a hash of salt and patient, of nothing else."""
    digest = hashlib.sha256(f"{salt}:{patient}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def side_by_hash(patient: str, salt: str, fractions: Fractions) -> str:
    """Return the patient's side: test first, then val, the rest train."""
    at = place(patient, salt)
    if at < fractions.test:
        return "test"
    return "val" if at < fractions.test + fractions.val else "train"


def sides_of(accepted: pd.DataFrame, params: SplitOne) -> list[str]:
    """Return the side of each row of the image table.

    With `use_official`, a patient whom the data set has on several sides goes whole to test, or
    else to val, so that training never sees who is evaluated. Where the data set has no val side,
    the hash takes one from its train patients, and it places patients without an official side.
    """
    hashed = {patient: side_by_hash(patient, params.salt, params.fractions) for patient in accepted["patient"].unique()}
    if not params.use_official:
        return [hashed[patient] for patient in accepted["patient"]]
    official = accepted[accepted["official_split"] != ""].groupby("patient")["official_split"].agg(_strictest)
    has_val = (official == "val").any()
    sides = {}
    for patient, side in hashed.items():
        given = official.get(patient, "")
        if given == "train" and not has_val:
            val = params.fractions.val / (params.fractions.val + params.fractions.train)
            given = "val" if place(patient, params.salt) < val else "train"
        sides[patient] = given or side
    return [sides[patient] for patient in accepted["patient"]]


def _strictest(sides: Iterable[str]) -> str:
    found = set(sides)
    return next(side for side in ("test", "val", "train") if side in found)


def describe(data_set: str, table: pd.DataFrame, boxes: pd.DataFrame) -> dict[str, dict[str, object]]:
    """Return, for each side, patients, images and images (or boxes) of each class."""
    report: dict[str, dict[str, object]] = {}
    for side in SIDES:
        rows = table[table["side"] == side]
        if data_set == "planes":
            counts = _counts(rows["label"], classes_in(table["label"]))
        else:
            counts = _counts(boxes[boxes["image"].isin(rows["image"])]["structure"], STRUCTURES)
        report[side] = {"patients": int(rows["patient"].nunique()), "images": len(rows), **counts}
    return report


def _counts(found: pd.Series, names: Iterable[str]) -> dict[str, int]:
    return {name: int((found == name).sum()) for name in names}


def warnings(data_set: str, report: dict[str, dict[str, object]]) -> list[str]:
    """Name the classes that a side has none of."""
    return [
        f"no {name} on the {side} side of {data_set}; change split.{data_set}.salt or bring more patients"
        for side, counts in report.items()
        for name, count in counts.items()
        if count == 0
    ]
