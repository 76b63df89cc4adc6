"""Parameters, code, libraries and snapshots that differ."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sonotrace.compare import renames
from sonotrace.compare.revisions import Revision
from sonotrace.places import REPORTS
from sonotrace.records.lock import flat

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True)
class Change:
    """Something that differs; the value is None in a state that does not have it."""

    key: str
    a: Any
    b: Any
    was: str = ""
    """Its key in A, if that is another."""

    @property
    def is_renamed(self) -> bool:
        """Say whether nothing but the key differs."""
        return bool(self.was) and self.a == self.b


@dataclass(frozen=True)
class FileChange(Change):
    """A file of code that differs; `key` is its path, `a` and `b` are md5s."""

    stages: tuple[str, ...] = ()
    """The stages that depend on it."""


@dataclass(frozen=True)
class Settings:
    """All that differs apart from images and scores, sorted by key."""

    parameters: list[Change]
    code: list[FileChange]
    libraries: list[Change]
    snapshots: list[Change]


def differences(one: Revision, other: Revision) -> Settings:
    """Return the parameters, code, libraries and snapshots that differ between two states."""
    return Settings(
        parameters=_parameters(one, other),
        code=_code(one, other),
        libraries=_differing(_libraries(one), _libraries(other), {}),
        snapshots=_differing(_snapshots(one), _snapshots(other), {}),
    )


def _differing(one: Mapping[str, Any], other: Mapping[str, Any], old_keys: Mapping[str, str]) -> list[Change]:
    """Compare two mappings; `old_keys` gives the key in `one` for keys of `other` that were renamed."""
    keys = (one.keys() | other.keys()) - set(old_keys.values())
    changes = [Change(key, one.get(old_keys.get(key, key)), other.get(key), old_keys.get(key, "")) for key in keys]
    return sorted((change for change in changes if change.was or change.a != change.b), key=lambda change: change.key)


def _parameters(one: Revision, other: Revision) -> list[Change]:
    before, after = _with_kinds(one), _with_kinds(other)
    shared = [name for name in other.data_sets if name in one.data_sets]
    old_keys = renames.of_parameters(before.keys() - after.keys(), after.keys() - before.keys(), shared)
    return _differing(before, after, old_keys)


def _with_kinds(revision: Revision) -> dict[str, Any]:
    """Return the parameters with the kind of each data set, which was its name before it could be set."""
    return {f"pull.{name}.kind": name for name in revision.data_sets} | revision.parameters


def _code(one: Revision, other: Revision) -> list[FileChange]:
    gone = {path: one.file(path) or b"" for path in sorted(one.code.keys() - other.code.keys())}
    new = {path: other.file(path) or b"" for path in sorted(other.code.keys() - one.code.keys())}
    return [
        FileChange(change.key, change.a, change.b, change.was, _stages(change, one, other))
        for change in _differing(one.code, other.code, renames.of_files(gone, new))
    ]


def _stages(change: Change, one: Revision, other: Revision) -> tuple[str, ...]:
    """Return the stages that depend on a file in either state, in their order.

    A stage that was split by data set later, as `train_cnn` into `train_cnn@planes`, is not named twice.
    """
    found = {
        name: None
        for revision, path in ((one, change.was or change.key), (other, change.key))
        for name, step in revision.stages.items()
        if any(path == link.path or path.startswith(f"{link.path}/") for link in step.code)
    }
    split = {name.partition("@")[0] for name in found if "@" in name}
    return tuple(name for name in found if name not in split)


def _libraries(revision: Revision) -> dict[str, str]:
    """Return library -> version in requirements.lock; several versions where they depend on the machine."""
    found: dict[str, list[str]] = {}
    for name, version in _PINNED.findall((revision.file("requirements.lock") or b"").decode()):
        found.setdefault(name, []).append(version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _snapshots(revision: Revision) -> dict[str, Any]:
    """Return what pull reported about each data set: source, version, fingerprint and so on."""
    found: dict[str, Any] = {}
    for data_set in revision.data_sets:
        found |= flat(revision.json((REPORTS / data_set / "snapshot.json").as_posix()) or {}, f"{data_set}.")
    return found
