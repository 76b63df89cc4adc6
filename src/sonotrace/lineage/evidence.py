"""What can be seen from here: the locks of git, the workspace, DVC's cache. And what is missing of it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.places import folder
from sonotrace.records.history import History, Lock
from sonotrace.records.lock import Link, Step, read
from sonotrace.records.remotes import has_remote
from sonotrace.records.store import Store

Rows = list[dict[str, str]]


class Evidence:
    """The history of a checkout and DVC's cache; `missing` says what an answer may lack."""

    def __init__(self, repo: Path) -> None:
        """Open the checkout that `repo` lies in; raises SonotraceError where there is none."""
        self.history = History(repo)
        self.store = Store(self.history)
        self._unreadable: set[bytes] = set()

    def steps(self, lock: Lock, stages: tuple[str, ...] = ("",)) -> dict[str, Step]:
        """Return the steps of a lock, of the stages whose name begins with one of `stages`; none if it is damaged."""
        try:
            return read(lock.text, stages)
        except SonotraceError:
            self._unreadable.add(lock.text)
            return {}

    def report(self, link: Link, lock: Lock) -> dict[str, Any] | None:
        """Return a JSON file that git keeps, as the lock names it, or None where it is not here."""
        content = self.history.file(lock.commits[-1].id, link.path) if lock.commits else None
        if content is None or hashlib.md5(content, usedforsecurity=False).hexdigest() != link.md5:
            content = self.store.read(link)
        found: dict[str, Any] | None = None if content is None else json.loads(content)
        return found

    def remedy(self) -> str:
        """Say how to get tables and images that are not here."""
        if has_remote(self.history.top):
            return "`dvc fetch --all-commits` brings them"
        return "no DVC remote is configured here: `dvc remote add` one that has them, or ask where they were made"

    def missing(self) -> list[str]:
        """Return what of the history could not be seen, each with a remedy; empty where all of it was.

        What no clone can know, such as experiments that were never fetched, is in `notes`.
        """
        found = []
        if self.history.is_shallow:
            found.append("this clone is shallow: older commits were not seen; `git fetch --unshallow` brings them")
        if self._unreadable:
            count = len(self._unreadable)
            found.append(f"{count} versions of dvc.lock cannot be read and were left out; restore them with git")
        return found

    def notes(self) -> list[str]:
        """Return what else may be said of what was seen."""
        notes = []
        names = (name for commit in self.history.commits.values() for name in commit.names)
        if not any(name.startswith("experiment ") for name in names):
            notes.append("no experiment was seen; a clone gets those of its origin by `dvc exp pull`")
        if self.store.cache is None or not self.store.cache.is_dir():
            notes.append("DVC's cache is not here, so neither tables nor folders can be looked into")
        return notes


def split_table(data_set: str) -> str:
    """Return the path of the table that says on which side of the split each image is."""
    return (folder(data_set, "split") / "split.csv").as_posix()
