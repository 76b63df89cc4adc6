"""Write a lineage for people: one fact a line, commits first."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sonotrace.records.lock import text

SHOWN = 12
"""Commits that are written out; more are counted."""


def file_lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines for `trace.of_file`."""
    yield f"{found['file']}  md5 {found['md5']}"
    if not found["origins"]:
        yield "unknown: no dvc.lock in this repository's history names these bytes"
    for origin in found["origins"]:
        yield ""
        yield f"{origin['role']} of {origin['stage']}: {origin['path']}"
        yield from _commits(origin["commits"])
        for step in origin["steps"]:
            yield from _step(step)
        for data_set, snapshot in origin["snapshots"].items():
            yield f"snapshot of {data_set}"
            facts = snapshot or {"": "not in git at that commit"}
            yield from (f"  {key:13}{text(value)}" for key, value in facts.items() if value not in ("", {}))
        for data_set, rows in origin.get("sides", {}).items():
            yield from _sides(data_set, rows)
        if "verified" in origin:
            yield from _verified(origin["verified"])
    yield from _notes(found)


def person_lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines for `trace.of_person`."""
    if not found["held"]:
        yield "in no split table that can be read here"
    for entry in found["held"]:
        sides = ", ".join(f"{side} ({len(images)} images)" for side, images in entry["sides"].items())
        yield f"{entry['data_set']}: {sides}"
        yield from _commits(entry["commits"])
    for model in found["models"]:
        yield f"{model['path']}  md5 {model['md5']}: {', '.join(model['uses'])} them"
        yield from _commits(model["commits"])
    if found["held"] and not found["models"]:
        yield "no model was made with them"
    yield from _notes(found)


def _commits(commits: list[dict[str, Any]]) -> Iterator[str]:
    for commit in commits[:SHOWN]:
        names = f"  [{', '.join(commit['names'])}]" if commit["names"] else ""
        yield f"  commit {commit['id'][:10]}  {commit['date'][:10]}  {commit['author']}  {commit['subject']}{names}"
    if len(commits) > SHOWN:
        yield f"  and {len(commits) - SHOWN} older commits (--json lists them)"


def _step(step: dict[str, Any]) -> Iterator[str]:
    yield step["stage"]
    yield f"  command      {step['command']}"
    for key, value in step["parameters"].items():
        yield f"  parameter    {key} = {text(value)}"
    for link in step["inputs"]:
        yield f"  input        {link['path']}  {link['md5'][:10]}" + (
            f"  from {link['made_by']}" if link["made_by"] else ""
        )
    if step["code"]:
        yield f"  code         {len(step['code'])} files and folders below src (--json lists them)"


def _sides(data_set: str, rows: list[dict[str, str]] | None) -> Iterator[str]:
    if rows is None:
        yield f"images of {data_set}: their table is not in this clone; `dvc fetch` brings it"
        return
    for side in ("train", "val", "test"):
        chosen = [row for row in rows if row["side"] == side]
        patients = Counter(row["patient"] for row in chosen)
        yield f"{data_set}, {side}: {len(chosen)} images of {len(patients)} patients"
        for patient in sorted(patients):
            images = sorted(row["image"] for row in chosen if row["patient"] == patient)
            yield f"  patient {patient}: {', '.join(images)}"


def _verified(states: dict[str, str]) -> Iterator[str]:
    counts = Counter(states.values())
    yield "verified again: " + ", ".join(f"{counts[state]} {state}" for state in ("verified", "missing", "altered"))
    for path, state in sorted(states.items()):
        if state != "verified":
            yield f"  {state:12} {path}"


def _notes(found: dict[str, Any]) -> Iterator[str]:
    if found["notes"]:
        yield ""
    yield from (f"note: {note}" for note in found["notes"])
