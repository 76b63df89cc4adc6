"""A comparison in words: sections of sentences and tables, the same for the terminal and the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sonotrace.compare.comparison import Comparison, State
from sonotrace.compare.data import Data, Group
from sonotrace.compare.images import CHANGES, UNKNOWN
from sonotrace.compare.paired import LOWER_IS_BETTER, Difference
from sonotrace.compare.revisions import GRAPH
from sonotrace.compare.scores import Common, Full, Scores, Unpaired
from sonotrace.compare.settings import Change, FileChange, Settings
from sonotrace.compare.statistics import Shift
from sonotrace.records.lock import text

SHOWN = 5
"""Most changed parameters beside the verdict."""
OPTIONAL = ("added", "removed", "came", "left", "changed")
"""Columns of the tables of groups that are left out where they are zero throughout."""
LOOKS = "image statistics: medians and Cliff's delta; added images compared with all of A, changed ones with themselves"


@dataclass(frozen=True)
class Table:
    """Rows of text; the first `texts` columns contain words, the others figures."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    texts: int = 1


@dataclass(frozen=True)
class Interval:
    """A difference with its interval and its verdict, for the chart."""

    name: str
    value: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class Section:
    """A heading and what follows it."""

    title: str
    sentences: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)
    """Only scores from 0 to 1 of which more is better."""
    alarms: int = 0
    """How many of the first sentences are highlighted."""


def heading(comparison: Comparison) -> str:
    """Name both states."""
    return f"A: {_name(comparison.a)}    B: {_name(comparison.b)}"


def _name(state: State) -> str:
    return state.name if state.commit in ("", state.name) else f"{state.name} ({state.commit[:10]})"


def notes(comparison: Comparison) -> list[str]:
    """Return what could not be read of either state."""
    return [f"{name}: {note}" for name, state in (("A", comparison.a), ("B", comparison.b)) for note in state.notes]


def sections(comparison: Comparison) -> list[Section]:
    """Return the verdict, then scores and data of each data set, then everything else."""
    made = [verdict(comparison)]
    for one in comparison.data_sets:
        made += [_scores(one.name, one.scores), _data(one.name, one.data)]
    return [*made, _settings(comparison.settings)]


def verdict(comparison: Comparison) -> Section:
    """Say for each model whether B is worse than A by its primary score, and which parameters changed."""
    alarms: list[str] = []
    others: list[str] = []
    for one in comparison.data_sets:
        common, primary = one.scores.common, one.scores.primary
        if isinstance(common, str):
            others.append(f"{one.name}: not compared: {common}")
        elif common.same_predictions:
            others.append(f"{one.name}: the same predictions on all {common.images} common test images")
        else:
            (alarms if one.scores.is_worse else others).append(f"{one.name}: {common.sentence(primary)}")
    if not comparison.data_sets:
        others.append("No data set: neither state's dvc.lock mentions one.")
    others.append(_changed_parameters(comparison.settings.parameters))
    return Section("Verdict", alarms + others, alarms=len(alarms))


def _changed_parameters(changes: list[Change]) -> str:
    changed = [change for change in changes if not change.is_renamed]
    shown = [f"{change.key} ({_step(change)})" for change in changed[:SHOWN]]
    rest = [f"{len(changed) - SHOWN} more, listed below"] if len(changed) > SHOWN else []
    return f"Changed parameters: {', '.join([*shown, *rest]) or 'none'}."


def _step(change: Change) -> str:
    if change.a is None:
        return f"new: {text(change.b)}"
    return "gone" if change.b is None else f"{text(change.a)} -> {text(change.b)}"


def _scores(data_set: str, scores: Scores) -> Section:
    common = scores.common
    tables = [_full(scores.full)] if scores.full else []
    title = f"Scores, {data_set}"
    if scores.folds:
        folds = scores.folds
        size = f"{folds.images} images of {folds.patients} patients"
        heading = f"over all folds: {size}, each scored by a net that had not seen the patient"
        tables.insert(0, _common(folds, heading))
    if isinstance(common, str):
        return Section(title, [f"Common test images: {common}."], tables)
    sentences = [
        f"{common.images} common test images of {common.patients} patients, with the same bytes in A and B.",
        "Differences are paired by patient.",
        "Better or worse: the 95 % interval excludes 0, and a randomisation test agrees.",
    ]
    if common.relabelled:
        sentences.append(f"{common.relabelled} of them have another label in B; B's labels are used for both models.")
    return Section(title, sentences, [_common(common, "on the common test images"), *tables], _intervals(common))


def _common(common: Common, title: str) -> Table:
    rows = [(name, score.verdict, *_figures(score, score.value)) for name, score in common.scores.items()]
    columns = ("score", "verdict", "A", "B", "B - A", "low", "high")
    return Table(title, columns, rows, texts=2)


def _intervals(common: Common) -> list[Interval]:
    if common.same_predictions:
        return []
    return [
        Interval(name, score.value, score.low, score.high, score.verdict)
        for name, score in common.scores.items()
        if score.verdict != "undefined" and name not in LOWER_IS_BETTER
    ]


def _full(full: Full) -> Table:
    title = (
        f"each model on its own test split: A {full.images_a} images of {full.patients_a} patients, "
        f"B {full.images_b} of {full.patients_b}; intervals as for independent patients, no verdict"
    )
    rows = [(name, *_figures(score, score.difference)) for name, score in full.scores.items()]
    return Table(title, ("score", "A", "B", "B - A", "low", "high"), rows)


def _figures(score: Difference | Unpaired, difference: float) -> tuple[str, ...]:
    plain = (_figure(value) for value in (score.a, score.b))
    return *plain, *(_figure(value, "+") for value in (difference, score.low, score.high))


def _figure(value: float, sign: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:{sign}.3f}"


def _data(data_set: str, data: Data | str) -> Section:
    title = f"Data, {data_set}"
    if isinstance(data, str):
        return Section(title, [f"Not compared: {data}."])
    images, patients = data.images, data.patients
    changes = ", ".join(f"{images.changes[name]} {name}" for name in CHANGES if images.changes[name])
    sentences = [
        *(f"Warning: {warning}." for warning in data.warnings),
        f"{images.a} images in A, {images.b} in B: {changes or 'no difference'}.",
        f"{patients.a} patients in A, {patients.b} in B: {patients.added} added, {patients.removed} removed.",
    ]
    tables = []
    if data.moves:
        moves = [(move.before, move.after, str(move.images), str(move.patients)) for move in data.moves]
        tables.append(Table("moved between splits", ("from", "to", "images", "patients"), moves, texts=2))
    tables += [
        _groups("split" if name == "side" else name, groups)
        for name, groups in data.groups.items()
        if [group.name for group in groups] != [UNKNOWN]
    ]
    if data.shifts:
        columns = ("images", "feature", "effect", "n A", "n B", "A", "B", "delta")
        tables.append(Table(LOOKS, columns, [_shift(shift) for shift in data.shifts], texts=3))
    return Section(title, sentences, tables, alarms=len(data.warnings))


def _groups(name: str, groups: list[Group]) -> Table:
    titles = {"a": "A", "added": "added", "removed": "removed", "came": "came", "left": "left", "b": "B"}
    titles |= {"changed": "changed", "patients_a": "patients A", "patients_b": "patients B"}
    kept = [key for key in titles if key not in OPTIONAL or any(getattr(group, key) for group in groups)]
    rows = [(group.name, *(str(getattr(group, key)) for key in kept)) for group in groups]
    return Table(f"images by {name}", (name, *(titles[key] for key in kept)), rows)


def _shift(shift: Shift) -> tuple[str, ...]:
    counts = (str(shift.n_a), str(shift.n_b))
    medians = (f"{shift.median_a:.4g}", f"{shift.median_b:.4g}")
    return shift.images, f"{shift.feature}, {shift.unit}", shift.effect, *counts, *medians, f"{shift.cliffs_delta:+.3f}"


def _settings(settings: Settings) -> Section:
    renamed = [change for change in settings.parameters if change.is_renamed]
    parts: dict[str, Sequence[Change]] = {
        "parameters": settings.parameters,
        "code": settings.code,
        "libraries": settings.libraries,
        "snapshots": settings.snapshots,
    }
    sentences = [f"{name.capitalize()}: {_counts(changes)}." for name, changes in parts.items()]
    sentences += [f"Same values under other keys: {', '.join(_prefixes(renamed))}."] if renamed else []
    tables = []
    for name, title in (("parameters", "params.yaml"), ("libraries", "library"), ("snapshots", "snapshot")):
        rows = [(_key(change), _value(change.a), _value(change.b)) for change in parts[name] if not change.is_renamed]
        tables += [Table(name, (title, "A", "B"), rows, texts=3)] if rows else []
    return Section("Parameters, code and libraries", sentences, tables + _code(settings.code))


def _counts(changes: Sequence[Change]) -> str:
    states = [_state(change) for change in changes]
    counted = [f"{states.count(state)} {state}" for state in ("changed", "new", "gone", "moved", "renamed")]
    return ", ".join(count for count in counted if not count.startswith("0 ")) or "no difference"


def _state(change: Change) -> str:
    if change.was and isinstance(change, FileChange):
        return "moved"
    if change.is_renamed:
        return "renamed"
    if change.a is None:
        return "new"
    return "gone" if change.b is None else "changed"


def _key(change: Change) -> str:
    return f"{change.key} (A: {change.was})" if change.was else change.key


def _prefixes(renamed: list[Change]) -> list[str]:
    """Sum renamed parameters up by what differs between the keys, the part before their common end."""
    counts: dict[tuple[str, str], int] = {}
    for change in renamed:
        old, new = change.was.split("."), change.key.split(".")
        while old[-1:] == new[-1:]:
            old.pop()
            new.pop()
        pair = ".".join(old), ".".join(new)
        counts[pair] = counts.get(pair, 0) + 1
    return [f"{old}.* is now {new}.* ({count})" for (old, new), count in counts.items()]


def _code(code: list[FileChange]) -> list[Table]:
    """List the files that can change an output, count the others, and sum moved files up by folder."""
    edited = [change for change in code if not change.was]
    shown = [change for change in edited if change.stages or change.key == GRAPH]
    others = [change for change in edited if change not in shown]
    rows = [(change.key, _state(change), ", ".join(change.stages) or "defines them all") for change in shown]
    if others:
        rows.append((f"other files: {len(others)} (see --json)", _counts(others), "none"))
    tables = [Table("code", ("file", "in B", "stages that depend on it"), rows, texts=3)] if rows else []
    moves: dict[tuple[str, str], list[FileChange]] = {}
    for change in code:
        if change.was:
            moves.setdefault((_folder(change.was), _folder(change.key)), []).append(change)
    if moves:
        moved = [(old, new, ", ".join(map(_file, files))) for (old, new), files in moves.items()]
        tables.append(Table("moved code; * also edited", ("from", "to", "files"), moved, texts=3))
    return tables


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _file(change: FileChange) -> str:
    """Name a moved file, with its old name if that was another."""
    old, new = (path.rpartition("/")[2] for path in (change.was, change.key))
    name = new if old == new else f"{old} as {new}"
    return name if change.a == change.b else f"{name}*"


def _value(value: Any) -> str:
    return "-" if value is None else text(value)
