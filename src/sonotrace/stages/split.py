"""split: put every patient, with all images, on one side: train, val or test.

Needs `accepted.csv` of validate and `snapshot.json` of pull; leaves `split.csv` in
`data/<data set>/split` (the accepted rows with their side) and, in `reports/<data set>`, `split.json`
and the ledger of test patients, which it carries on from the workspace's and the last commit's. A
patient of the ledger does not come to another side unless the parameters confirm it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.kinds.planes import classes_in
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.params import Fractions, SplitOne, load
from sonotrace.patients import ledger
from sonotrace.patients.ledger import Names
from sonotrace.places import REPORTS, folder
from sonotrace.records.last import LastCommit
from sonotrace.records.lock import flat
from sonotrace.running.outputs import write_bytes, write_csv, write_json
from sonotrace.running.progress import say
from sonotrace.tables import read_table

SIDES = ("train", "val", "test")


def run(data_set: str) -> None:
    """Split `data_set` by patient and say how many images of each class each side has."""
    params = getattr(load().split, data_set)
    accepted = read_table(folder(data_set, "validate") / "accepted.csv")
    boxes = read_table(folder(data_set, "validate") / "boxes.csv")
    if params.use_official and not accepted["official_split"].any():
        raise SonotraceError(
            f"params.yaml: split.{data_set}.use_official is true, but none of the {len(accepted)} accepted images has "
            "an official side; give them one (docs/sources.md, Labels), or set it to false"
        )
    table = accepted.assign(side=sides_of(accepted, params))
    source = json.loads((REPORTS / data_set / "snapshot.json").read_text(encoding="utf-8"))["source"]
    last = LastCommit(Path())
    _carry_ledger_on(data_set, source, dict(zip(table["patient"], table["side"], strict=True)), params, last)
    write_csv(table, folder(data_set, "split") / "split.csv")
    report = describe(data_set, table, boxes)
    write_json(report, REPORTS / data_set / "split.json")
    counts = ", ".join(f"{side} {(table['side'] == side).sum()}" for side in SIDES)
    say(f"split: {table['patient'].nunique()} patients, {data_set} images: {counts}")
    for warning in warnings(data_set, report):
        say(f"split: warning: {warning}")
    for line in news(data_set, source, table, last):
        say(f"split: {line}")


def _carry_ledger_on(data_set: str, source: str, sides: Mapping[str, str], params: SplitOne, last: LastCommit) -> None:
    """Write the ledger of test patients with those of this split.

    Raises SonotraceError where this split would train or tune on a patient of it, unless that is confirmed.
    """
    path = REPORTS / data_set / "test_patients.csv"
    names = Names.for_source(data_set, source)
    if source == "incoming" and names.key is None:
        say(f"split: note: {path} hides no patient number without a patient key; see docs/sources.md")
    if not last.is_repository:
        say(f"split: note: no git repository here, so a {path.name} that was deleted cannot be taken up again")
    committed = ledger.parse(last.text(path) or "", path)
    known = ledger.parse(path.read_text(encoding="utf-8"), path) if path.is_file() else committed
    carried, moved = ledger.carried_on(ledger.united(known, committed, sides, names), sides, names)
    if moved and not params.test_patients_may_move:
        _, by_commits = ledger.carried_on(ledger.united(committed, committed, sides, names), sides, names)
        raise SonotraceError(_refusal(data_set, path, moved, params, last, bool(committed) and not by_commits))
    if moved:
        say(f"split: {moved} patients of {path} leave the test side, as split.{data_set} confirms")
    elif params.test_patients_may_move:
        say(f"split: warning: nobody leaves the test side; set split.{data_set}.test_patients_may_move to false again")
    write_bytes(ledger.text_of(carried).encode(), path)


def _refusal(data_set: str, path: Path, moved: int, params: SplitOne, last: LastCommit, is_uncommitted: bool) -> str:
    """Say how many patients would leave the test side, by which parameter, and what can be done."""
    key = f"split.{data_set}"
    now = flat({key: params.model_dump(exclude={"test_patients_may_move"})})
    before = last.parameters(f"split@{data_set}")
    changed = [
        f"{name} is {now[name]!r}, was {value!r}" for name, value in before.items() if now.get(name, value) != value
    ]
    why = "; ".join(changed) or f"see {key}.salt, use_official, fractions and the official sides"
    back = f"take back what is not committed by `git checkout -- {path}`" if is_uncommitted else "change that back"
    return (
        f"{path}: {moved} patients who stood on the test side would be trained or tuned on ({why}); "
        f"{back}, or confirm it by {key}.test_patients_may_move: true"
    )


def news(data_set: str, source: str, table: pd.DataFrame, last: LastCommit) -> Iterable[str]:
    """Yield who is new and who is gone since the split of the last commit, in numbers; their ids are in the tables.

    It needs DVC's cache, so it is said only, and stands in no output.
    """
    path = folder(data_set, "split") / "split.csv"
    ran_with = last.parameters(f"pull@{data_set}").get(f"pull.{data_set}.source")
    if ran_with is None:
        yield "the last commit has no split, so everyone is new"
        return
    if ran_with != source:
        yield f"the last commit's split is of {ran_with}, not of {source}, so everyone is new"
        return
    before = last.table(f"split@{data_set}", path)
    if before is None:
        yield f"who is new cannot be said: the last commit's {path} is not in DVC's cache; `dvc fetch` brings it"
        return
    changes = compare(pd.DataFrame(before, columns=["image", "patient", "side"], dtype=str), table)
    if not changes:
        yield "nobody is new or gone since the last commit"
    for side, (patients, images, patients_gone, images_gone) in changes.items():
        yield (
            f"{side} since the last commit: {patients} patients and {images} images are new, "
            f"{patients_gone} patients and {images_gone} images are gone"
        )


def compare(before: pd.DataFrame, now: pd.DataFrame) -> dict[str, tuple[int, int, int, int]]:
    """Return, for each side that changed, how many patients and images are new, and how many are gone.

    Who changed sides is gone from one and new on the other.
    """
    found = {}
    for side in SIDES:
        old, new = (rows[rows["side"] == side] for rows in (before, now))
        counts = [len(set(b[key]) - set(a[key])) for a, b in ((old, new), (new, old)) for key in ("patient", "image")]
        if any(counts):
            found[side] = (counts[0], counts[1], counts[2], counts[3])
    return found


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
