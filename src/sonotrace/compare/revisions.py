"""What a commit, branch, tag, experiment or the workspace contains, read where it is; nothing is checked out."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from sonotrace import kinds
from sonotrace.documents import read_json, read_yaml
from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind
from sonotrace.records.history import LOCK, History, folder_md5
from sonotrace.records.lock import CODE, Link, Step, data_sets, flat, steps
from sonotrace.records.remotes import has_git_remote, has_remote
from sonotrace.records.store import Store, md5_of
from sonotrace.tables import parse_table

WORKSPACE = "workspace"
GRAPH = "dvc.yaml"


class Revision:
    """One state of the project."""

    def __init__(self, name: str, history: History, store: Store) -> None:
        """Find the state called `name`; raises SonotraceError if there is none, or more than one."""
        self.name = name
        self._notes: list[str] = []
        self._missing: list[str] = []
        self._history, self._store = history, store
        commits = [""] if name == WORKSPACE else history.resolve(name)
        if not commits:
            raise SonotraceError(f"{name}: no commit, branch, tag or experiment of this repository; {self._elsewhere}")
        if len(commits) > 1:
            raise SonotraceError(f"{name}: {len(commits)} experiments have this name; use one of the ids {commits}")
        self.commit = commits[0]
        """Id of the commit; empty for the workspace."""

    @property
    def _elsewhere(self) -> str:
        """Say where a state that is not here may be found."""
        known = "`git log --all` and `dvc exp list --all-commits` show those there are"
        if not has_git_remote(self._history.top):
            return known
        if self._history.is_shallow:
            return f"{known}, and as this clone is shallow, `git fetch --unshallow` fetches older ones"
        return f"{known}, `git fetch --tags` and `dvc exp pull` fetch those of the remote"

    @property
    def notes(self) -> list[str]:
        """Say what could not be read so far, and what to do about it; each note once."""
        return list(dict.fromkeys([*self._notes, *self._missing_note()]))

    def _missing_note(self) -> list[str]:
        if not self._missing:
            return []
        if has_remote(self._history.top):
            remedy = "`dvc fetch --all-commits` fetches them, or `dvc exp pull` for an experiment"
        else:
            remedy = (
                "no DVC remote is configured, so they are only where this state was run; there, "
                "`dvc remote add --default NAME URL`, `dvc push --all-commits`, and commit .dvc/config"
            )
        return [f"not in this clone: {', '.join(dict.fromkeys(self._missing))}; {remedy}"]

    def file(self, path: str) -> bytes | None:
        """Return a file that git tracks, or None if the revision has none."""
        if self.commit:
            return self._history.file(self.commit, path)
        file = self._history.top / path
        return file.read_bytes() if file.is_file() else None

    def json(self, path: str) -> dict[str, Any] | None:
        """Return a JSON file that git tracks, or None, with a note, if the revision has none that can be read."""
        content = self.file(path)
        try:
            found = None if content is None else read_json(content)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        problem = "is missing" if content is None else "is not valid JSON"
        self._notes.append(f"{path} {problem}; {self._rerun}")
        return None

    @property
    def _rerun(self) -> str:
        """Say how to get a file that a stage writes and git tracks."""
        if self.commit:
            return "commit the metrics and reports of a run together with its dvc.lock"
        return "`dvc repro` writes it"

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Return dotted key -> value of params.yaml."""
        return flat(self._yaml("params.yaml"))

    def parameter(self, key: str) -> Any:
        """Return one value of params.yaml; raises SonotraceError if the revision does not have it."""
        if key not in self.parameters:
            raise SonotraceError(f"params.yaml at {self.name}: {key} is missing; compare a state that has it")
        return self.parameters[key]

    @cached_property
    def stages(self) -> dict[str, Step]:
        """Return stage -> what `dvc.lock` records about it."""
        try:
            return steps(self._yaml(LOCK))
        except (AttributeError, KeyError, TypeError):
            self._notes.append(f"{LOCK} cannot be read; restore it with git")
            return {}

    @property
    def data_sets(self) -> list[str]:
        """Return the names of the data sets that were pulled."""
        return data_sets(self.stages)

    def kind(self, data_set: str) -> Kind:
        """Return the kind of a data set of this state; raises SonotraceError if it is unknown."""
        try:
            return kinds.of(data_set, self.parameters)
        except SonotraceError as error:
            raise SonotraceError(f"{self.name}: {error}") from None

    @cached_property
    def code(self) -> dict[str, str]:
        """Return path -> md5 of `dvc.yaml` and all files below `src`."""
        graph = self.file(GRAPH)
        found = {} if graph is None else {GRAPH: hashlib.md5(graph, usedforsecurity=False).hexdigest()}
        if self.commit:
            members = self._history.members(self.commit, CODE.rstrip("/"))
            return found | {f"{CODE}{name}": md5 for name, md5 in members.items()}
        files = sorted(file for file in (self._history.top / CODE).rglob("*") if file.is_file())
        paths = {file.relative_to(self._history.top).as_posix(): file for file in files}
        return found | {path: md5_of(file) for path, file in paths.items() if "__pycache__" not in path}

    def makes(self, path: str) -> bool:
        """Say whether a stage of this state wrote that file."""
        return path in self._made()

    def table(self, path: str) -> pd.DataFrame | None:
        """Return a table that a stage wrote, or None, with a note, if it cannot be read."""
        content = self._output(path, self._made().get(path))
        if content is None:
            return None
        try:
            return parse_table(content)
        except ValueError as error:
            remedy = "`dvc fetch` and `dvc checkout` restore it" if self.commit else "`dvc repro` makes it again"
            self._notes.append(f"{path} is not a table ({str(error).splitlines()[0]}); {remedy}")
            return None

    def _made(self) -> dict[str, Link]:
        return {link.path: link for step in self.stages.values() for link in step.outputs}

    def _output(self, path: str, link: Link | None) -> bytes | None:
        if not self.commit:
            return self._workspace_output(path, link)
        if link is None:
            self._notes.append(f"{LOCK} does not mention {path}: this state predates it, or the stage never ran")
            return None
        content = self._store.read(link)
        if content is None:
            self._missing.append(path)
        return content

    def _workspace_output(self, path: str, link: Link | None) -> bytes | None:
        file = self._history.top / path
        if not file.is_file():
            self._notes.append(f"{path} is missing; {self._restored_by(link)}")
            return None
        if link is None or md5_of(file) != link.md5:
            self._notes.append(f"{path} is not what {LOCK} records; compared as it is, `dvc repro` makes it again")
        return file.read_bytes()

    def _restored_by(self, link: Link | None) -> str:
        """Say what brings back an output of the workspace, at the least cost."""
        cached = self._store.cached(link.md5) if link else None
        if cached and cached.is_file():
            return "`dvc checkout` restores it"
        if link and has_remote(self._history.top):
            return "`dvc pull` fetches it, or `dvc repro` makes it again"
        return "`dvc repro` makes it"

    def outdated(self) -> str | None:
        """Say which stages ran with parameters or code other than this state's, or None if all are up to date."""
        stale = [name for name, step in self.stages.items() if not self._fits(step)]
        if not stale:
            return None
        return f"made with other parameters or code than this state has: {', '.join(stale)}; run `dvc repro`"

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
            found = None if content is None else read_yaml(content.decode())
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        problem = "is missing" if content is None else "is not valid YAML"
        self._notes.append(f"{path} {problem}, so what it says cannot be compared")
        return {}


def both(one: str, other: str, repo: Path) -> tuple[Revision, Revision]:
    """Return two states of the repository that contains `repo`; raises SonotraceError if one does not exist."""
    history = History(repo)
    store = Store(history)
    return Revision(one, history, store), Revision(other, history, store)
