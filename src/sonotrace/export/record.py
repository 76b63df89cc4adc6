"""The run that the checked-out commit recorded, and the checks that the workspace still is that run."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from sonotrace.errors import SonotraceError
from sonotrace.lineage.verify import current, other_parameters, unlike
from sonotrace.places import DATA_SETS, METRICS, MODELS, REPORTS
from sonotrace.records.history import LOCK, Commit, History
from sonotrace.records.lock import Link, Step

GRAPH = "dvc.yaml"
PARAMETERS = "params.yaml"
REQUIREMENTS = "requirements.lock"


@dataclass(frozen=True)
class File:
    """A file of the workspace."""

    path: str
    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True)
class Record:
    """A run as the commit `commit` holds it."""

    top: Path
    commit: Commit
    steps: Mapping[str, Step]

    @cached_property
    def date(self) -> datetime:
        """Return the commit's author date, in UTC: formats ask for a date, and this one stays what it is."""
        return datetime.fromisoformat(self.commit.date).astimezone(UTC)

    def snapshot(self, data_set: str) -> dict[str, Any]:
        """Return what pull said of a snapshot: source, version, fingerprint, licence, counts."""
        return self._json(REPORTS / data_set / "snapshot.json")

    def sides(self, data_set: str) -> dict[str, Any]:
        """Return patients, images and classes of each side."""
        return self._json(REPORTS / data_set / "split.json")

    def scores(self, data_set: str) -> dict[str, Any]:
        """Return every score of a model, with its interval."""
        return self._json(METRICS / f"{data_set}_detail.json")

    def outputs(self) -> list[Link]:
        """Return what the stages wrote outside `data`, sorted by path: models, metrics, reports, plots."""
        links = {link.path: link for step in self.steps.values() for link in step.outputs}
        return [links[path] for path in sorted(links) if not path.startswith("data/")]

    def file(self, path: str) -> File:
        """Return size and sha256 of a file."""
        with (self.top / path).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return File(path, (self.top / path).stat().st_size, digest)

    def _json(self, path: Path) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.top / path).read_bytes())
        return content


def read(top: Path, data: Collection[str] = ()) -> Record:
    """Return the run that is checked out in the folder `top`.

    Every file below is hashed again, and raises SonotraceError where it is not what `dvc.lock` names:
    code, sources, models, metrics, reports, plots, and of the tables and images those in `data`. The
    lock, the graph, the parameters and the requirements must be as committed, and the lock must hold
    one run, not parts of two.
    """
    text, steps = current(top)
    history = History(top)
    record = Record(top, history.head, steps)
    faults = chain(
        _uncommitted(top, history, text),
        _lacking(steps, data),
        _mixed(steps),
        _other_sources(steps, top),
        unlike(_stated(steps, top, data), top, history),
        other_parameters(steps, top),
    )
    for fault in faults:
        raise SonotraceError(f"{fault}; what goes out must be as recorded: restore it, or `dvc repro` and commit")
    return record


def _uncommitted(top: Path, history: History, lock: bytes) -> Iterator[str]:
    if history.file("HEAD", LOCK) != lock:
        yield f"{LOCK}: not as in the last commit"
    for name in (GRAPH, PARAMETERS, REQUIREMENTS):
        if not (top / name).is_file() or history.file("HEAD", name) != (top / name).read_bytes():
            yield f"{name}: not as in the last commit"


def _lacking(steps: Mapping[str, Step], data: Collection[str]) -> Iterator[str]:
    reports = [REPORTS / name / f"{what}.json" for name in DATA_SETS for what in ("snapshot", "split")]
    scores = [METRICS / f"{name}_detail.json" for name in DATA_SETS]
    named = {link.path for step in steps.values() for link in step.outputs}
    for path in [*(path.as_posix() for path in [*MODELS.values(), *reports, *scores]), *data]:
        if path not in named:
            yield f"{LOCK}: does not name {path}"


def _mixed(steps: Mapping[str, Step]) -> Iterator[str]:
    """Yield where a stage read something else than what the lock says was written there."""
    written = {link.path: link for step in steps.values() for link in step.outputs}
    for step in steps.values():
        for link in step.inputs:
            if link.path in written and written[link.path].md5 != link.md5:
                yield f"{LOCK}: {step.stage} ran with another {link.path} than {written[link.path].made_by} wrote"


def _other_sources(steps: Mapping[str, Step], top: Path) -> Iterator[str]:
    """Yield the snapshots that DVC tracks where its file names another than the one pulled."""
    for step in steps.values():
        for link in step.inputs:
            tracked = top / f"{link.path}.dvc"
            if tracked.is_file() and yaml.safe_load(tracked.read_bytes())["outs"][0].get("md5") != link.md5:
                yield f"{link.path}.dvc: names another snapshot than {step.stage} ran with"


def _stated(steps: Mapping[str, Step], top: Path, data: Collection[str]) -> Iterator[Link]:
    """Yield what an export speaks of; snapshots that DVC tracks may be elsewhere, their hash is enough."""
    for step in steps.values():
        for link in step.links:
            is_source = not link.made_by and not (top / f"{link.path}.dvc").is_file()
            if not link.path.startswith("data/") or is_source or link.path in data:
                yield link


def require_new(out: Path) -> None:
    """Raise SonotraceError where `out` is there already: an export replaces nothing."""
    if out.exists():
        raise SonotraceError(f"{out}: is there already; name another, or remove it")
