"""All that differs between two states of the project, as one mapping and one list of images."""

from pathlib import Path
from typing import Any

import pandas as pd

from sonotrace.compare import data, scores, settings, statistics
from sonotrace.compare.revisions import Revision, both
from sonotrace.places import DATA_SETS


def compare(a: str, b: str, repo: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return what differs from `a` to `b`, with counts only, and the list of images, which names patients.

    `worse` names the primary scores that are significantly worse in `b`. What could not be read is said in
    the `notes` of either state. Raises SonotraceError where a state is not there.
    """
    one, other = both(a, b, repo)
    found: dict[str, Any] = {
        "a": _named(one),
        "b": _named(other),
        "settings": settings.differences(one, other),
        "data": {},
        "scores": {},
    }
    lists = []
    for data_set in DATA_SETS:
        table, found["data"][data_set] = _data(one, other, data_set)
        found["scores"][data_set] = scores.compared(one, other, data_set, table)
        if table is not None:
            lists.append(data.listed(table, data_set))
    found["worse"] = [
        f"{data_set} {part['primary']}"
        for data_set, part in found["scores"].items()
        if isinstance(part["common"], dict) and part["common"]["scores"][part["primary"]]["verdict"] == "worse"
    ]
    for name, revision in (("a", one), ("b", other)):
        found[name]["notes"] = list(dict.fromkeys(filter(None, [revision.outdated(), *revision.notes])))
    return found, pd.concat(lists, ignore_index=True) if lists else pd.DataFrame({"data_set": [], "changes": []})


def _named(revision: Revision) -> dict[str, Any]:
    return {"name": revision.name, "commit": revision.commit}


def _data(one: Revision, other: Revision, data_set: str) -> tuple[pd.DataFrame | None, dict[str, Any] | None]:
    before, after = data.images_of(one, data_set), data.images_of(other, data_set)
    if before is None or after is None:
        return None, None
    table = data.joined(before, after)
    first, second = statistics.measured(one, data_set, before), statistics.measured(other, data_set, after)
    found = data.described(table)
    return table, found | {
        "warnings": _warnings(found["moves"]),
        "statistics": statistics.shifts(first, second, table),
    }


def _warnings(moves: list[dict[str, Any]]) -> list[str]:
    """Say of moves from or to the test side what they do to scores."""
    found = []
    for move in moves:
        who = f"{_number(move['patients'], 'patient')} ({_number(move['images'], 'image')} in both)"
        if move["from"] == "test":
            use = "trained on" if move["to"] == "train" else "tuned on"
            found.append(f"{who} tested on in A and {use} in B: the test side of A says nothing of B's model")
        elif move["to"] == "test":
            use = "trained on" if move["from"] == "train" else "tuned on"
            found.append(f"{who} {use} in A and tested on in B: the test side of B says nothing of A's model")
    return found


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
