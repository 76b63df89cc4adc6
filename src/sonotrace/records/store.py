"""What of a lock's hashes is present: in the workspace, in DVC's cache, or in git."""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from sonotrace.records.history import History
from sonotrace.records.lock import Link


def md5_of(path: Path) -> str:
    """Return the md5 of a file's bytes, which is what DVC knows it by."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


class Store:
    """Bytes by hash, for one repository."""

    def __init__(self, history: History) -> None:
        """Look beside the history's workspace."""
        self._history = history

    @cached_property
    def cache(self) -> Path | None:
        """Return DVC's local cache, or None where the repository is none of DVC's."""
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        try:
            return Path(Repo(str(self._history.top)).cache.local.path)
        except DvcException:
            return None

    def cached(self, md5: str) -> Path | None:
        """Return where the cache keeps a hash, whether or not it is there."""
        return self.cache / md5[:2] / md5[2:] if self.cache else None

    def read(self, link: Link) -> bytes | None:
        """Return the bytes of a file, from the cache or the workspace, only if they are the right ones."""
        for path in (self.cached(link.md5), self._history.top / link.path):
            if path and path.is_file() and md5_of(path) == link.md5:
                return path.read_bytes()
        return None

    def table(self, link: Link) -> list[dict[str, str]] | None:
        """Return the rows of a CSV file, or None where it is not present."""
        content = self.read(link)
        return None if content is None else list(csv.DictReader(io.StringIO(content.decode())))

    def members(self, md5: str) -> dict[str, str] | None:
        """Return relative path -> md5 of what a folder's hash lists, or None where the list is not present."""
        path = self.cached(md5)
        if path is None or not path.is_file() or f"{md5_of(path)}.dir" != md5:
            return None
        return {entry["relpath"]: entry["md5"] for entry in json.loads(path.read_bytes())}

    def folders_holding(self, md5: str) -> dict[str, str]:
        """Return folder hash -> path inside, for the folders of all locks that hold a file of this hash."""
        found: dict[str, str] = {}
        for folder in sorted(self._history.folders()):
            path = self.cached(f"{folder}.dir")
            if path and path.is_file() and md5.encode() in path.read_bytes():
                members = self.members(f"{folder}.dir") or {}
                found |= {f"{folder}.dir": name for name, member in sorted(members.items()) if member == md5}
        return found

    def verify(self, link: Link, commits: Sequence[str], current: bool) -> str:
        """Hash again what a link names, where it is present: `verified`, `altered` or `missing`.

        Looked for in DVC's cache, in git at the `commits` that hold the lock, and in the workspace, which
        counts as altered only if it is to match, since this is the `current` lock. In git, altered means
        that none of these commits has the bytes that the stage ran with. Of a folder every file counts.
        """
        cached = self._in_cache(link.md5)
        if cached != "missing":
            return cached
        states = {self._in_git(link, commits), self._in_workspace(link, current)}
        return next((state for state in ("verified", "altered") if state in states), "missing")

    def _in_cache(self, md5: str) -> str:
        path = self.cached(md5)
        if path is None or not path.is_file():
            return "missing"
        if f"{md5_of(path)}{'.dir' if md5.endswith('.dir') else ''}" != md5:
            return "altered"
        states = (
            {self._in_cache(member) for member in (self.members(md5) or {}).values()} if md5.endswith(".dir") else {""}
        )
        return next((state for state in ("altered", "missing") if state in states), "verified")

    def _in_git(self, link: Link, commits: Sequence[str]) -> str:
        state = "missing"
        for commit in reversed(commits):  # the oldest is the likeliest to have what ran
            held = self._history.md5(commit, link.path)
            if held == link.md5:
                return "verified"
            state = "altered" if held else state
        return state

    def _in_workspace(self, link: Link, current: bool) -> str:
        path = self._history.top / link.path
        if not path.is_file():
            return "missing"
        if md5_of(path) == link.md5:
            return "verified"
        return "altered" if current else "missing"
