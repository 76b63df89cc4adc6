"""split: put every patient, with all images, on one side: train, val or test.

Needs `accepted.csv` and `boxes.csv` of validate and `snapshot.json` of pull. Leaves `split.csv` in
`data/<data set>/split` (the accepted rows with their side) and, in `reports/<data set>`, `split.json`
and the ledger of test patients. The ledger continues the workspace's and the last commit's: none of
its patients is trained or validated on unless the parameters confirm it.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind
from sonotrace.params import load
from sonotrace.params.split import SplitOne
from sonotrace.patients import ledger
from sonotrace.patients.ledger import Names
from sonotrace.patients.news import news
from sonotrace.patients.sides import require_official, sides_of
from sonotrace.places import REPORTS, folder
from sonotrace.records.last import LastCommit
from sonotrace.running.outputs import write_bytes, write_csv, write_json
from sonotrace.running.progress import say
from sonotrace.tables import SIDES, read_table


def run(data_set: str) -> None:
    """Split `data_set` by patient and say how many images each side has."""
    everything = load()
    params, kind = everything.split[data_set], everything.kind(data_set)
    accepted = read_table(folder(data_set, "validate") / "accepted.csv")
    boxes = read_table(folder(data_set, "validate") / "boxes.csv")
    if params.use_official:
        require_official(data_set, accepted)
    table = accepted.assign(side=sides_of(accepted, params))
    source = json.loads((REPORTS / data_set / "snapshot.json").read_text(encoding="utf-8"))["source"]
    last = LastCommit(Path())
    _carry_ledger_on(data_set, source, dict(zip(table["patient"], table["side"], strict=True)), params, last)
    write_csv(table, folder(data_set, "split") / "split.csv")
    report = describe(kind, table, boxes)
    write_json(report, REPORTS / data_set / "split.json")
    counts = ", ".join(f"{side} {(table['side'] == side).sum()}" for side in SIDES)
    say(f"split: {table['patient'].nunique()} patients, {data_set} images: {counts}")
    used = {side: counts for side, counts in report.items() if getattr(params.fractions, side) or counts["images"]}
    for warning in warnings(data_set, used):
        say(f"split: warning: {warning}")
    for line in news(data_set, source, table, last):
        say(f"split: {line}")


def _carry_ledger_on(data_set: str, source: str, sides: Mapping[str, str], params: SplitOne, last: LastCommit) -> None:
    """Write the ledger of test patients with those of this split.

    Raises SonotraceError if this split would train or validate on a patient in it and nobody confirmed that.
    """
    path = REPORTS / data_set / "test_patients.csv"
    names = Names.for_source(data_set, source)
    if source == "incoming" and names.key is None:
        say(f"split: note: without a patient key, patient numbers can be brute-forced from {path}; see docs/sources.md")
    if not last.is_repository and not path.is_file() and _is_below_git():
        say(f"split: warning: git cannot read this repository (see `git status`), so {path} begins anew")
    committed = ledger.parse(last.text(path) or "", path)
    known = ledger.parse(path.read_text(encoding="utf-8"), path) if path.is_file() else committed
    tested = ledger.united(known, committed, sides, names)
    moved = ledger.leaving(tested, sides, names)
    if moved and not params.test_patients_may_move:
        passes = bool(committed) and not ledger.leaving(ledger.under_key(committed, sides, names), sides, names)
        before = last.parameters(f"split@{data_set}")
        raise SonotraceError(ledger.refusal(data_set, path, len(moved), params.model_dump(), before, passes))
    if moved:
        say(f"split: {len(moved)} patients of {path} leave the test side, as split.{data_set} confirms")
    elif params.test_patients_may_move:
        say(f"split: warning: nobody leaves the test side; set split.{data_set}.test_patients_may_move to false again")
    write_bytes(ledger.text_of(ledger.carried_on(tested, sides, names)).encode(), path)


def _is_below_git() -> bool:
    here = Path.cwd()
    return any((top / ".git").exists() for top in (here, *here.parents))


def describe(kind: Kind, table: pd.DataFrame, boxes: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return, for each side, how many patients and images it has, and images (or boxes) of each class."""
    report = {}
    for side in SIDES:
        rows = table[table["side"] == side]
        labels = boxes[boxes["image"].isin(rows["image"])]["structure"] if kind.has_boxes else rows["label"]
        counts = {name: int((labels == name).sum()) for name in kind.classes(table["label"])}
        report[side] = {"patients": int(rows["patient"].nunique()), "images": len(rows), **counts}
    return report


def warnings(data_set: str, report: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Name the classes that a side has none of; a cohort has the test side alone."""
    remedy = "bring more patients" if len(report) == 1 else f"change split.{data_set}.salt or bring more patients"
    return [
        f"no {name} on the {side} side of {data_set}; {remedy}"
        for side, counts in report.items()
        for name, count in counts.items()
        if count == 0
    ]
