"""The answers for people: what matters in the first lines, then one fact per line."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sonotrace.lineage.evidence import Rows
from sonotrace.lineage.origins import FileLineage, Origin
from sonotrace.lineage.people import HELD_OUT, SIDES, PersonLineage
from sonotrace.records.history import Commit
from sonotrace.records.lock import Link, Step, flat, is_training, text

SHOWN = 12
"""Commits that are written out; more are counted."""
UNCOMMITTED = "not committed yet: only the dvc.lock of the workspace names it"
WORDS = {"train": "trained on", "val": "validated on", "test": "tested on", HELD_OUT: "held out"}


def file_lines(answer: FileLineage) -> Iterator[str]:
    """Yield the lines for a file: for each origin three lines that sum it up, then the details."""
    if not answer.origins:
        yield f"{answer.file}  md5 {answer.md5}"
        seen = "of what can be seen here " if answer.missing else "in this repository's history "
        yield f"unknown: no dvc.lock {seen}names these bytes"
    for number, origin in enumerate(answer.origins):
        if number:
            yield ""
        yield f"{answer.file} is {origin.path}, {origin.role} of {origin.stage} (md5 {answer.md5})"
        yield _since(origin)
        yield _learnt_from(origin)
        yield ""
        yield from _commits(origin.commits, origin.is_uncommitted)
        for step in origin.steps:
            yield from _step(step)
        for data_set, snapshot in origin.snapshots.items():
            yield f"snapshot of {data_set}"
            facts = snapshot or {"": "its report is not here"}
            yield from (f"  {key:13}{text(value)}" for key, value in facts.items() if value not in ("", {}))
        for data_set, rows in (origin.sides or {}).items():
            yield from _sides(data_set, rows)
        if origin.verified is not None:
            yield from _verified(origin.verified)
    yield from _remarks(answer.missing, answer.notes)


def person_lines(answer: PersonLineage) -> Iterator[str]:
    """Yield the lines for a patient or an image."""
    where = " that can be read here" if answer.missing else ""
    if not answer.held:
        yield f"in no split table{where}"
    for appearance in answer.held:
        sides = ", ".join(f"{side} ({len(images)} images)" for side, images in appearance.sides.items())
        yield f"{appearance.data_set}: {sides}"
        yield from _commits(appearance.commits, appearance.is_uncommitted)
    for model in answer.models:
        yield f"{model.path}  md5 {model.md5}: {', '.join(WORDS[side] for side in model.sides)} them"
        yield from _commits(model.commits, model.is_uncommitted)
    if answer.held and not answer.models:
        yield f"no model with a split table{where} was made with them" if where else "no model was made with them"
    if answer.claims_too_much:
        yield "so whether a model knows them cannot be told:"
    yield from _remarks(answer.missing, answer.notes)


def _since(origin: Origin) -> str:
    """Say from when it is: the first commit that holds it, and how many do."""
    if not origin.commits:
        return f"{UNCOMMITTED}; commit it"
    first, newest = origin.commits[-1], origin.commits[0]
    line = f"first in commit {first.id[:10]} of {first.date[:10]}, by {first.author}"
    if len(origin.commits) > 1:
        line += f"; in {len(origin.commits)} commits, the last {newest.id[:10]} of {newest.date[:10]}"
    return line


def _learnt_from(origin: Origin) -> str:
    """Say whose images went into it: of a model's, how many it was trained, validated and tested on."""
    lines = []
    for data_set, sides in origin.splits.items():
        if sides is None:
            lines.append(f"{data_set}: the counts of its split are not here")
            continue
        counts = {side: _count(sides[side]) for side in SIDES if side in sides}
        if any(is_training(step.stage) for step in origin.steps):
            own = {WORDS[side]: count for side, count in counts.items()}
        else:
            own = {f"{side}:": count for side, count in counts.items()}
        lines.append(f"{data_set}: " + ", ".join(f"{word} {count}" for word, count in own.items()))
    for data_set in origin.snapshots.keys() - origin.splits.keys():
        snapshot = origin.snapshots[data_set]
        facts = f"{snapshot['images']} images from {snapshot['source']}" if snapshot else "its report is not here"
        lines.append(f"{data_set}: pulled: {facts}")
    return "; ".join(sorted(lines)) or "made of no patient's images"


def _count(side: Mapping[str, Any]) -> str:
    return f"{side['images']} images of {side['patients']} patients"


def _commits(commits: Sequence[Commit], is_uncommitted: bool) -> Iterator[str]:
    if is_uncommitted and commits:
        yield "  workspace: its dvc.lock, not committed yet, names it too"
    elif is_uncommitted:
        yield f"  workspace: {UNCOMMITTED}"
    for commit in commits[:SHOWN]:
        names = f"  [{', '.join(commit.names)}]" if commit.names else ""
        yield f"  commit {commit.id[:10]}  {commit.date[:10]}  {commit.author}  {commit.subject}{names}"
    if len(commits) > SHOWN:
        yield f"  and {len(commits) - SHOWN} older commits (--json lists them)"


def _step(step: Step) -> Iterator[str]:
    yield step.stage
    yield f"  command      {step.command}"
    parameters = flat(step.parameters)
    unused = _unused(parameters)
    for key in parameters:
        if key not in unused:
            yield f"  parameter    {key} = {text(parameters[key])}"
    if unused:
        yield f"  parameter    and {len(unused)} of sources that were not used (--json lists them)"
    yield from (f"  input        {_named(link)}" for link in step.inputs)
    if step.code:
        yield f"  code         {len(step.code)} files and folders below src (--json lists them)"


def _named(link: Link) -> str:
    return f"{link.path}  {link.md5[:10]}" + (f"  from {link.made_by}" if link.made_by else "")


def _unused(parameters: Mapping[str, Any]) -> set[str]:
    """Return the keys of sources that a pull did not take its images from: `pull.<data set>.<source>.*`."""
    chosen = {key.removesuffix("source"): value for key, value in parameters.items() if key.endswith(".source")}
    return {
        key
        for key in parameters
        for section, source in chosen.items()
        if key.startswith(section) and "." in (rest := key.removeprefix(section)) and rest.split(".")[0] != source
    }


def _sides(data_set: str, rows: Rows | None) -> Iterator[str]:
    if rows is None:
        yield f"images of {data_set}: their table is not in this clone"
        return
    for side in SIDES:
        chosen = [row for row in rows if row["side"] == side]
        patients = Counter(row["patient"] for row in chosen)
        yield f"{data_set}, {side}: {len(chosen)} images of {len(patients)} patients"
        for patient in sorted(patients):
            images = sorted(row["image"] for row in chosen if row["patient"] == patient)
            yield f"  patient {patient}: {', '.join(images)}"


def _verified(states: Mapping[str, str]) -> Iterator[str]:
    counts = Counter(states.values())
    yield "verified again: " + ", ".join(f"{counts[state]} {state}" for state in ("verified", "missing", "altered"))
    for path, state in sorted(states.items()):
        if state != "verified":
            yield f"  {state:12} {path}"


def _remarks(missing: Sequence[str], notes: Sequence[str]) -> Iterator[str]:
    if missing or notes:
        yield ""
    yield from (f"not seen: {one}" for one in missing)
    yield from (f"note: {note}" for note in notes)
