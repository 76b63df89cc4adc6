"""Every `dvc.lock` that git holds: in commits, branches, tags and DVC's experiments. Nothing is checked out."""

import hashlib
import json
import os
import re
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sonotrace.errors import SonotraceError

LOCK = "dvc.lock"


@dataclass(frozen=True)
class Commit:
    """A commit, and what points to it."""

    id: str
    author: str
    date: str
    """Author date, ISO 8601."""
    subject: str
    names: list[str] = field(default_factory=list)
    """Branches, tags and experiments, as `branch main`, `tag v1`, `experiment wiry-gnat`."""


@dataclass(frozen=True)
class Lock:
    """A distinct `dvc.lock`."""

    text: bytes
    commits: list[Commit]
    """The commits that hold it, newest first; none for the workspace's lock where no commit holds the same."""

    @property
    def is_committed(self) -> bool:
        """Return whether any commit holds it."""
        return bool(self.commits)


class NoRepositoryError(SonotraceError):
    """A folder is in no git repository, or git is not installed."""


class History:
    """The history of a checkout, read once. Paths are relative to the checkout's top folder, `top`."""

    def __init__(self, repo: Path) -> None:
        """Open the checkout that `repo` lies in.

        Raises NoRepositoryError where there is none, and SonotraceError where git refuses to read it because it
        belongs to another user.

        The checkout may be a subfolder of a larger git repository (`dvc init --subdir`).
        """
        git_top = _git_top(repo)
        self.top = next((one for one in _upwards(repo, git_top) if (one / ".dvc").is_dir()), git_top)
        """Where `.dvc` is, and `dvc.lock`."""
        self._prefix = self._git("rev-parse", "--show-prefix").decode().strip("\n")

    @property
    def is_shallow(self) -> bool:
        """Return whether older commits are missing."""
        return self._git("rev-parse", "--is-shallow-repository").strip() == b"true"

    @property
    def head(self) -> Commit:
        """Return the commit that is checked out; raises SonotraceError where there is none yet."""
        try:
            return self.commits[self._git("rev-parse", "HEAD").decode().strip()]
        except subprocess.CalledProcessError:
            raise SonotraceError(f"{self.top.name}: holds no commit yet; `git commit` makes the first") from None

    @cached_property
    def commits(self) -> dict[str, Commit]:
        """Return id -> commit for all that is reachable from any ref, newest first."""
        names = self._names()
        text = self._git("log", "--all", "--topo-order", "--format=%H%x00%an%x00%aI%x00%s").decode(errors="replace")
        fields = (line.split("\0") for line in text.split("\n") if line)
        return {row[0]: Commit(row[0], row[1], row[2], row[3], sorted(names[row[0]])) for row in fields}

    @cached_property
    def locks(self) -> list[Lock]:
        """Return every distinct `dvc.lock`: that of the workspace first if it is not committed, then newest first."""
        holders: dict[str, list[Commit]] = defaultdict(list)
        asked = "".join(f"{self._at(commit, LOCK)}\n" for commit in self.commits)
        answers = self._git("cat-file", "--batch-check=%(objectname) %(objecttype)", text=asked.encode())
        for commit, answer in zip(self.commits.values(), answers.decode().splitlines(), strict=True):
            if answer.endswith(" blob"):
                holders[answer.split()[0]].append(commit)
        committed = [Lock(text, holders[blob]) for blob, text in self.blobs(holders)]
        workspace = self.top / LOCK
        text = workspace.read_bytes() if workspace.is_file() else b""
        if not text or any(text == lock.text for lock in committed):
            return committed
        return [Lock(text, []), *committed]

    def holding(self, md5: str) -> list[Lock]:
        """Return the locks that name `md5`, as a file's or a folder's hash."""
        wanted = md5.encode()
        return [lock for lock in self.locks if wanted in lock.text]

    def folders(self) -> set[str]:
        """Return the md5 of every folder that some lock names."""
        found = (re.findall(rb"([0-9a-f]{32})\.dir", lock.text) for lock in self.locks)
        return {md5.decode() for hashes in found for md5 in hashes}

    def resolve(self, name: str) -> list[str]:
        """Return the commit that a name stands for, as git understands it, or else the experiments of that name."""
        try:
            return [
                self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").decode().strip()
            ]
        except subprocess.CalledProcessError:
            return [commit for commit, names in self._names().items() if f"experiment {name}" in names]

    def file(self, commit: str, path: str) -> bytes | None:
        """Return the bytes of a file in a commit, or None where it has none."""
        try:
            return self._git("cat-file", "blob", self._at(commit, path))
        except subprocess.CalledProcessError:
            return None

    def members(self, commit: str, path: str) -> dict[str, str]:
        """Return relative path -> md5 of the files that a commit has below a folder; of a file, `` -> md5."""
        listed = self._git("ls-tree", "-r", "-z", commit, "--", path).decode().split("\0")[:-1]
        ids = {line.partition("\t")[2]: line.split()[2] for line in listed}
        contents = dict(self.blobs(dict.fromkeys(ids.values())))
        return {
            name.removeprefix(path).removeprefix("/"): hashlib.md5(contents[blob], usedforsecurity=False).hexdigest()
            for name, blob in ids.items()
        }

    def md5(self, commit: str, path: str) -> str:
        """Return DVC's hash of a file or folder as a commit has it, empty where it has none."""
        members = self.members(commit, path)
        if not members:
            return ""
        return members[""] if "" in members else folder_md5(members)

    def blobs(self, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield id and content of git blobs, all read by one process."""
        wanted = list(ids)
        answer = self._git("cat-file", "--batch", text="".join(f"{blob}\n" for blob in wanted).encode())
        at = 0
        for blob in wanted:
            end = answer.index(b"\n", at)
            size = int(answer[at:end].split()[2])
            yield blob, answer[end + 1 : end + 1 + size]
            at = end + size + 2

    def _names(self) -> dict[str, list[str]]:
        """Return commit id -> what points to it; experiments live below refs/exps."""
        names: dict[str, list[str]] = defaultdict(list)
        listed = self._git("for-each-ref", "--format=%(objectname) %(*objectname) %(refname)").decode()
        for line in listed.splitlines():
            *ids, name = line.split()
            kind, _, rest = name.removeprefix("refs/").partition("/")
            if kind == "heads":
                names[ids[-1]].append(f"branch {rest}")
            elif kind == "tags":
                names[ids[-1]].append(f"tag {rest}")
            elif kind == "exps" and not rest.startswith("exec/"):
                names[ids[-1]].append(f"experiment {rest.rpartition('/')[2]}")
        return names

    def _at(self, commit: str, path: str) -> str:
        """Name a file of a commit as git understands it: by its path from the repository's top folder."""
        return f"{commit}:{self._prefix}{path}"

    def _git(self, *arguments: str, text: bytes | None = None) -> bytes:
        return _git(self.top, *arguments, text=text)


def _git(at: Path, *arguments: str, text: bytes | None = None) -> bytes:
    return subprocess.run(["git", "-C", at, *arguments], input=text, capture_output=True, check=True).stdout


def _git_top(repo: Path) -> Path:
    try:
        return Path(os.fsdecode(_git(repo, "rev-parse", "--show-toplevel").rstrip(b"\n")))
    except FileNotFoundError:
        raise NoRepositoryError(
            "git: not found on PATH; install it, the history of a checkout is read with it"
        ) from None
    except subprocess.CalledProcessError as error:
        if b"dubious ownership" in error.stderr:
            raise SonotraceError(
                f"{repo}: belongs to another user, so git refuses to read it; if you trust it, run "
                f"`git config --global --add safe.directory {shlex.quote(str(_worktree(repo)))}`"
            ) from None
        raise NoRepositoryError(f"{repo}: in no git repository; name a clone with --repo") from None


def _worktree(folder: Path) -> Path:
    """Return the top of the git checkout that a folder lies in, without asking git."""
    around = (folder.resolve(), *folder.resolve().parents)
    return next((top for top in around if (top / ".git").exists()), folder.resolve())


def _upwards(repo: Path, last: Path) -> Iterator[Path]:
    """Yield the folder `repo` and those above it, up to `last`, which they lie in."""
    here, last = repo.resolve(), last.resolve()
    yield from (one for one in (here, *here.parents) if one.is_relative_to(last))


def folder_md5(members: Mapping[str, str]) -> str:
    """Return DVC's hash of a folder: the md5 of the JSON list of its files' paths and md5s (dvc_data.hashfile.tree)."""
    entries = [{"md5": members[name], "relpath": name} for name in sorted(members)]
    return f"{hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest()}.dir"
