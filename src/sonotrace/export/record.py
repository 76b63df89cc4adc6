"""The run that the checked-out commit recorded, and the checks that the workspace still is that run."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from sonotrace import kinds
from sonotrace.documents import tracked_outs
from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind
from sonotrace.lineage.verify import current, other_parameters, unlike
from sonotrace.places import METRICS, REPORTS
from sonotrace.records.history import LOCK, Commit, History
from sonotrace.records.lock import Link, Step, data_sets, flat, learned, training

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

    @cached_property
    def data_sets(self) -> list[str]:
        """Return the names of the run's data sets, in the order of its lock."""
        return data_sets(self.steps)

    @cached_property
    def learned(self) -> list[str]:
        """Return the names of those that have a model; no model learned from the others."""
        return learned(self.steps)

    def kind(self, data_set: str) -> Kind:
        """Return the kind of a data set, as its pull ran with it."""
        return kind_of(data_set, self.steps)

    def model(self, data_set: str) -> str:
        """Return the path of a data set's model."""
        return self.kind(data_set).model(data_set).as_posix()

    def trained(self, data_set: str) -> Step:
        """Return the step that trained a data set's model."""
        return _training(self.steps, data_set)

    def settings(self, data_set: str) -> dict[str, Any]:
        """Return the training's own parameters by name, without the section that they were in."""
        step = self.trained(data_set)
        section = step.stage.partition("@")[0]
        own = (f"{section}.{data_set}.", f"{section}.")  # locks before there was a part for each data set have no name
        return {
            key.removeprefix(next(one for one in own if key.startswith(one))): value
            for key, value in flat(step.parameters).items()
            if key.startswith(own)
        }

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


def read(top: Path, data: Callable[[str, Kind], Collection[str]] = lambda *_: ()) -> Record:
    """Return the run that is checked out in the folder `top`.

    Every file below is hashed again, and raises SonotraceError where it is not what `dvc.lock` names:
    code, sources, models, metrics, reports, plots, and of each data set the tables and images that `data`
    names. The lock, the graph, the parameters and the requirements must be as committed, and the lock must hold
    one run, not parts of two.
    """
    text, steps = current(top)
    needed = [path for data_set in data_sets(steps) for path in data(data_set, kind_of(data_set, steps))]
    history = History(top)
    record = Record(top, history.head, steps)
    faults = chain(
        _uncommitted(top, history, text),
        _lacking(steps, needed),
        _mixed(steps),
        _other_sources(steps, top),
        unlike(_stated(steps, top, needed), top, history),
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


def kind_of(data_set: str, steps: Mapping[str, Step]) -> Kind:
    """Return the kind of a data set, as a lock says that its pull ran."""
    return kinds.of(data_set, flat(steps[f"pull@{data_set}"].parameters))


def _training(steps: Mapping[str, Step], data_set: str) -> Step:
    step = training(steps, data_set)
    if step is None:
        raise SonotraceError(f"{LOCK}: names no model of {data_set}; `dvc repro` makes it")
    return step


def _lacking(steps: Mapping[str, Step], data: Collection[str]) -> Iterator[str]:
    own = data_sets(steps)
    if not own:
        yield f"{LOCK}: names no data set"
    models = [kind_of(name, steps).model(name) for name in learned(steps)]
    reports = [REPORTS / name / f"{what}.json" for name in own for what in ("snapshot", "split")]
    scores = [METRICS / f"{name}_detail.json" for name in own]
    named = {link.path for step in steps.values() for link in step.outputs}
    for path in [*(path.as_posix() for path in [*models, *reports, *scores]), *data]:
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
            if tracked.is_file() and tracked_outs(tracked)[0].get("md5") != link.md5:
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
