"""What a commit, branch, tag, experiment or the workspace holds, read where it lies; nothing is checked out."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from sonotrace.errors import SonotraceError
from sonotrace.records.history import LOCK, History, folder_md5
from sonotrace.records.lock import CODE, Link, Step, flat, steps
from sonotrace.records.store import Store, md5_of
from sonotrace.tables import parse_table

WORKSPACE = "workspace"
FETCH = "`dvc fetch --all-commits`, of an experiment `dvc exp pull`"


class Revision:
    """One state of the project; `notes` says what could not be read of it, and what to do about it."""

    def __init__(self, name: str, history: History, store: Store) -> None:
        """Find the state that `name` stands for; raises SonotraceError where there is none, or several."""
        self.name = name
        self.notes: list[str] = []
        self._history, self._store = history, store
        found = [""] if name == WORKSPACE else history.resolve(name)
        if not found:
            remedy = "`git fetch --tags` and `dvc exp pull` bring those of the origin"
            shallow = "; this clone is shallow, `git fetch --unshallow` brings older commits" * history.is_shallow
            raise SonotraceError(f"{name}: no commit, branch, tag or experiment of this repository; {remedy}{shallow}")
        if len(found) > 1:
            raise SonotraceError(f"{name}: {len(found)} experiments have this name; name one by its id: {found}")
        self.commit = found[0]
        """Id of the commit; empty for the workspace."""

    def file(self, path: str) -> bytes | None:
        """Return a file that git keeps, or None where the revision has none."""
        if self.commit:
            return self._history.file(self.commit, path)
        found = self._history.top / path
        return found.read_bytes() if found.is_file() else None

    def json(self, path: str) -> dict[str, Any] | None:
        """Return a JSON file that git keeps, or None where the revision has none, or none that can be read."""
        content = self.file(path)
        try:
            found = None if content is None else json.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            self.notes.append(f"{path} is not there; run `dvc repro`, and commit what it writes")
            return None
        return found

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Return dotted key -> value of params.yaml."""
        return flat(self._yaml("params.yaml"))

    def parameter(self, key: str) -> Any:
        """Return one value of params.yaml; raises SonotraceError where the revision has none."""
        if key not in self.parameters:
            raise SonotraceError(f"params.yaml at {self.name}: {key} is missing; compare a state that has it")
        return self.parameters[key]

    @cached_property
    def stages(self) -> dict[str, Step]:
        """Return stage -> what `dvc.lock` says of it."""
        try:
            return steps(self._yaml(LOCK))
        except (AttributeError, KeyError, TypeError):
            self.notes.append(f"{LOCK} cannot be read; restore it with git")
            return {}

    @cached_property
    def code(self) -> dict[str, str]:
        """Return path -> md5 of `dvc.yaml` and all files below `src`."""
        graph = self.file("dvc.yaml")
        found = {} if graph is None else {"dvc.yaml": hashlib.md5(graph, usedforsecurity=False).hexdigest()}
        if self.commit:
            members = self._history.members(self.commit, CODE.rstrip("/"))
            return found | {f"{CODE}{name}": md5 for name, md5 in members.items()}
        files = sorted(file for file in (self._history.top / CODE).rglob("*") if file.is_file())
        paths = {file.relative_to(self._history.top).as_posix(): file for file in files}
        return found | {path: md5_of(file) for path, file in paths.items() if "__pycache__" not in path}

    def table(self, path: str) -> pd.DataFrame | None:
        """Return a table that a stage wrote, or None, with a note, where it is not to be had."""
        made = {link.path: link for step in self.stages.values() for link in step.outputs}
        content = self._output(path, made.get(path))
        if content is None:
            return None
        try:
            return parse_table(content)
        except ValueError as error:
            self.notes.append(f"{path} is no table ({str(error).splitlines()[0]}); `dvc repro` makes it anew")
            return None

    def _output(self, path: str, link: Link | None) -> bytes | None:
        if self.commit:
            if link is None:
                self.notes.append(
                    f"{LOCK} names no {path}: this state is older than that table, or the stage never ran"
                )
                return None
            content = self._store.read(link)
            if content is None:
                self.notes.append(f"{path} (md5 {link.md5}) is not in this clone; {FETCH} brings it")
            return content
        file = self._history.top / path
        if not file.is_file():
            self.notes.append(f"{path} is not there; `dvc checkout` or `dvc repro` brings it")
            return None
        if link is None or md5_of(file) != link.md5:
            self.notes.append(f"{path} is not what {LOCK} names; it is compared as it is, `dvc repro` makes it anew")
        return file.read_bytes()

    def outdated(self) -> str | None:
        """Say which stages ran with other parameters or code than stand here; None where all fits."""
        stale = [name for name, step in self.stages.items() if not self._fits(step)]
        if not stale:
            return None
        return f"made with other parameters or code than stand there: {', '.join(stale)}; `dvc repro` brings them up"

    def _fits(self, step: Step) -> bool:
        ran = flat(step.parameters)
        return all(self.parameters.get(key) == value for key, value in ran.items()) and all(
            self._code_md5(link.path) == link.md5 for link in step.code
        )

    def _code_md5(self, path: str) -> str:
        below = {name.removeprefix(f"{path}/"): md5 for name, md5 in self.code.items() if name.startswith(f"{path}/")}
        return folder_md5(below) if below else self.code.get(path, "")

    def _yaml(self, path: str) -> Mapping[str, Any]:
        content = self.file(path)
        try:
            found = None if content is None else yaml.load(content, Loader=yaml.CSafeLoader)
        except yaml.YAMLError:
            found = None
        if not isinstance(found, dict):
            self.notes.append(f"{path} is not there or not YAML, so what it states cannot be compared")
            return {}
        return found


def both(one: str, other: str, repo: Path) -> tuple[Revision, Revision]:
    """Return the two revisions of the repository that `repo` lies in; raises SonotraceError where one is not there."""
    history = History(repo)
    store = Store(history)
    return Revision(one, history, store), Revision(other, history, store)
