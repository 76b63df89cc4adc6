"""Who is trained on, validated on and tested on: every patient is on one side, with all images."""

import hashlib
from collections.abc import Iterable

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.params.split import Fractions, SplitOne


def place(patient: str, salt: str) -> float:
    """Return the patient's place between 0 and 1: a hash of salt and patient, and of nothing else."""
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

    With `use_official`, a patient whom the snapshot has on several sides goes to test, or else to val,
    so that nobody is both trained on and evaluated. If no patient is officially in val, the hash takes
    some from the official train patients. It also places patients without an official side.
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


def require_official(data_set: str, accepted: pd.DataFrame) -> None:
    """Raise SonotraceError if no image has an official side, since the hash would then place everybody."""
    if (accepted["official_split"] == "").all():
        raise SonotraceError(
            f"params.yaml: split.{data_set}.use_official is true, but no accepted image of this snapshot has an "
            "official split; set it to false, or bring a snapshot that states who is in train and test"
        )


def _strictest(sides: Iterable[str]) -> str:
    stated = set(sides)
    return next(side for side in ("test", "val", "train") if side in stated)
