"""Parameters, code, libraries and snapshots that differ."""

import re
from typing import Any

from sonotrace.compare.revisions import Revision
from sonotrace.places import DATA_SETS, REPORTS
from sonotrace.records.lock import flat

Difference = dict[str, Any]
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def differences(one: Revision, other: Revision) -> dict[str, list[Difference]]:
    """Return what differs, each kind sorted by its key; a value that one side lacks is None."""
    return {
        "parameters": _differing(one.parameters, other.parameters),
        "code": [
            entry | {"stages": _stages(str(entry["key"]), one, other)} for entry in _differing(one.code, other.code)
        ],
        "libraries": _differing(_libraries(one), _libraries(other)),
        "snapshots": _differing(_snapshots(one), _snapshots(other)),
    }


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[Difference]:
    return [
        {"key": key, "a": one.get(key), "b": other.get(key)}
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    ]


def _stages(path: str, *revisions: Revision) -> list[str]:
    """Return the stages that depend on a file of code, in either state, in their order."""
    found = {
        name: None
        for revision in revisions
        for name, step in revision.stages.items()
        if any(path == link.path or path.startswith(f"{link.path}/") for link in step.code)
    }
    return list(found)


def _libraries(revision: Revision) -> dict[str, str]:
    """Return library -> version of requirements.lock, several where they depend on the machine."""
    found: dict[str, list[str]] = {}
    for name, version in _PINNED.findall((revision.file("requirements.lock") or b"").decode()):
        found.setdefault(name, []).append(version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _snapshots(revision: Revision) -> dict[str, Any]:
    """Return what pull said of each data set: source, version, fingerprint and so on."""
    found: dict[str, Any] = {}
    for data_set in DATA_SETS:
        found |= flat(revision.json((REPORTS / data_set / "snapshot.json").as_posix()) or {}, f"{data_set}.")
    return found
