"""What a comparison says to people: sections of sentences and tables, for the terminal and the page alike."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sonotrace.compare.data import KINDS, UNKNOWN
from sonotrace.compare.paired import LOWER_IS_BETTER
from sonotrace.records.lock import text

HAPPENINGS = ("added", "removed", "came", "left", "changed")
LOOKS = "how images look: medians, and Cliff's delta; added ones against all of A, changed ones against what they were"


@dataclass(frozen=True)
class Table:
    """Rows of text; the first `texts` columns hold words, the others figures."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    texts: int = 1


@dataclass(frozen=True)
class Interval:
    """A difference with its interval and its verdict, to be drawn."""

    name: str
    value: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it."""

    title: str
    sentences: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)
    """On one scale, so without the loss."""
    alarms: int = 0
    """How many of the first sentences are to be seen at once."""


def heading(found: dict[str, Any]) -> str:
    """Name both states."""
    return f"A: {_name(found['a'])}    B: {_name(found['b'])}"


def _name(side: dict[str, Any]) -> str:
    commit = side["commit"]
    return side["name"] if not commit or side["name"] == commit else f"{side['name']} ({commit[:10]})"


def notes(found: dict[str, Any]) -> list[str]:
    """Return what could not be read of either state."""
    return [f"{key.upper()}: {note}" for key in ("a", "b") for note in found[key]["notes"]]


def sections(found: dict[str, Any]) -> list[Section]:
    """Return the verdict, then scores and data of each data set, then what else differs."""
    made = [verdict(found)]
    for data_set in found["scores"]:
        made += [_scores(data_set, found["scores"][data_set]), _data(data_set, found["data"][data_set])]
    return [*made, _settings(found["settings"])]


def verdict(found: dict[str, Any]) -> Section:
    """Say for each model whether B is worse than A, by its primary score."""
    alarms: list[str] = []
    others: list[str] = []
    for data_set, part in found["scores"].items():
        common, primary = part["common"], part["primary"]
        if isinstance(common, str):
            others.append(f"{data_set}: not compared: {common}")
        elif common["same_predictions"]:
            others.append(f"{data_set}: the same predictions on all {common['images']} common test images")
        else:
            said = alarms if f"{data_set} {primary}" in found["worse"] else others
            said.append(f"{data_set}: {common['scores'][primary]['sentence']}")
    return Section("Verdict", alarms + others, alarms=len(alarms))


def _scores(data_set: str, part: dict[str, Any]) -> Section:
    tables, intervals = [], []
    common, full = part["common"], part["full"]
    sentences = []
    if isinstance(common, str):
        sentences.append(f"Common test images: {common}.")
    else:
        sentences.append(
            f"{common['images']} common test images of {common['patients']} patients, the same bytes in A and B; "
            "differences paired by patient."
        )
        sentences.append("Better or worse: the 95 % interval leaves out 0, and a randomisation test agrees.")
        if common["relabelled"]:
            sentences.append(f"{common['relabelled']} of them are labelled otherwise in B; B's labels count for both.")
        rows = [_score_row(name, score) for name, score in common["scores"].items()]
        intervals = [
            Interval(name, score["difference"], score["low"], score["high"], score["verdict"])
            for name, score in common["scores"].items()
            if not common["same_predictions"]
            if score["verdict"] != "undefined" and name not in LOWER_IS_BETTER
        ]
        tables.append(
            Table("on the common test images", ("score", "verdict", "A", "B", "B - A", "low", "high"), rows, texts=2)
        )
    if full:
        rows = [_full_row(name, score) for name, score in full["scores"].items()]
        title = (
            f"each on its whole test side: A {full['images_a']} images of {full['patients_a']} patients, "
            f"B {full['images_b']} of {full['patients_b']}; intervals as of independent patients, no verdict"
        )
        tables.append(Table(title, ("score", "A", "B", "B - A", "low", "high"), rows))
    return Section(f"Scores, {data_set}", sentences, tables, intervals)


def _score_row(name: str, score: dict[str, Any]) -> tuple[str, ...]:
    return name, score["verdict"], *_figures(score)


def _full_row(name: str, score: dict[str, Any]) -> tuple[str, ...]:
    return name, *_figures(score)


def _figures(score: dict[str, Any]) -> tuple[str, ...]:
    plain = [_figure(score[key]) for key in ("a", "b")]
    return *plain, *(_figure(score[key], "+") for key in ("difference", "low", "high"))


def _figure(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"


def _data(data_set: str, part: dict[str, Any] | None) -> Section:
    title = f"Data, {data_set}"
    if part is None:
        return Section(title, ["Not compared: an image table is not to be had; the notes say which."])
    images, patients = part["images"], part["patients"]
    kinds = ", ".join(f"{images[kind]} {kind}" for kind in KINDS if images[kind])
    sentences = [
        *(f"Mind: {warning}." for warning in part["warnings"]),
        f"{images['a']} images in A, {images['b']} in B: {kinds or 'all the same'}.",
        f"{patients['a']} patients in A, {patients['b']} in B, {patients['added']} new, {patients['removed']} gone.",
    ]
    tables = []
    if part["moves"]:
        moves = [tuple(str(move[key]) for key in ("from", "to", "images", "patients")) for move in part["moves"]]
        tables.append(Table("moved between sides", ("from", "to", "images", "patients"), moves, texts=2))
    tables += [
        _groups(name, rows) for name, rows in part["groups"].items() if [row["name"] for row in rows] != [UNKNOWN]
    ]
    if part["statistics"]:
        rows = [_shift_row(shift) for shift in part["statistics"]]
        titles = ("images", "of", "effect", "n A", "n B", "A", "B", "delta")
        tables.append(Table(LOOKS, titles, rows, texts=3))
    return Section(title, sentences, tables, alarms=len(part["warnings"]))


def _groups(name: str, rows: list[dict[str, Any]]) -> Table:
    """Leave out the columns in which nothing happened."""
    columns = {"a": "A", "added": "added", "removed": "removed", "came": "came", "left": "left", "b": "B"}
    columns |= {"changed": "changed", "patients_a": "patients A", "patients_b": "patients B"}
    kept = [key for key in columns if key not in HAPPENINGS or any(row[key] for row in rows)]
    return Table(
        f"images by {name}",
        (name, *(columns[key] for key in kept)),
        [(row["name"], *(str(row[key]) for key in kept)) for row in rows],
    )


def _shift_row(shift: dict[str, Any]) -> tuple[str, ...]:
    medians = (f"{shift[key]:.4g}" for key in ("median_a", "median_b"))
    counts = (str(shift[key]) for key in ("n_a", "n_b"))
    return (
        shift["images"],
        f"{shift['feature']}, {shift['unit']}",
        shift["effect"],
        *counts,
        *medians,
        f"{shift['cliffs_delta']:+.3f}",
    )


def _settings(part: dict[str, list[dict[str, Any]]]) -> Section:
    titles = {"parameters": "params.yaml", "snapshots": "snapshot", "libraries": "library"}
    tables = [
        Table(kind, (title, "A", "B"), [(row["key"], _value(row["a"]), _value(row["b"])) for row in part[kind]], 3)
        for kind, title in titles.items()
        if part[kind]
    ]
    if part["code"]:
        rows = [(row["key"], _state(row), ", ".join(row["stages"]) or "no stage") for row in part["code"]]
        tables.append(Table("code", ("file", "in B", "stages that depend on it"), rows, texts=3))
    counts = ", ".join(f"{len(rows)} {kind}" for kind, rows in part.items())
    return Section("Parameters, code and libraries", [f"Differing: {counts}."], tables)


def _value(value: Any) -> str:
    return "-" if value is None else text(value)


def _state(row: dict[str, Any]) -> str:
    if row["a"] is None:
        return "new"
    return "gone" if row["b"] is None else "changed"
