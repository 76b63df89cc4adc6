"""Every `dvc.lock` that git holds: in commits, branches, tags and DVC's experiments. Nothing is checked out."""

import hashlib
import json
import re
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from sonotrace.errors import SonotraceError

LOCK = "dvc.lock"
_STAGE = re.compile(rb"^  ([^\s:]+):\n", re.MULTILINE)
"""Where the entry of a stage begins in a lock, as DVC writes it."""


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


class NoRepositoryError(SonotraceError):
    """A folder is in no git repository, or git is not installed."""


class History:
    """The history of a repository, read once."""

    def __init__(self, repo: Path) -> None:
        """Open the repository that `repo` lies in.

        Raises NoRepositoryError where there is none, and SonotraceError where git refuses to read it because it
        belongs to another user.
        """
        self._at = repo
        try:
            self.top = Path(self._git("rev-parse", "--show-toplevel").decode().strip())
        except (OSError, subprocess.CalledProcessError) as error:
            if b"dubious ownership" in (getattr(error, "stderr", None) or b""):
                raise SonotraceError(
                    f"{repo.resolve()}: belongs to another user, so git does not read it; if you trust it: "
                    f"git config --global --add safe.directory {shlex.quote(str(_worktree(repo)))}"
                ) from None
            raise NoRepositoryError(f"{repo}: in no git repository; name a clone with --repo") from None

    @property
    def is_shallow(self) -> bool:
        """Say whether older commits are missing."""
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
        fields = (line.split("\0") for line in text.splitlines())
        return {row[0]: Commit(row[0], row[1], row[2], row[3], sorted(names[row[0]])) for row in fields}

    @cached_property
    def locks(self) -> dict[str, list[str]]:
        """Return blob id -> ids of the commits that hold this `dvc.lock`, newest first."""
        found: dict[str, list[str]] = defaultdict(list)
        asked = "".join(f"{commit}:{LOCK}\n" for commit in self.commits)
        answers = self._git("cat-file", "--batch-check=%(objectname) %(objecttype)", text=asked.encode())
        for commit, answer in zip(self.commits, answers.decode().splitlines(), strict=True):
            if answer.endswith(" blob"):
                found[answer.split()[0]].append(commit)
        return dict(found)

    @cached_property
    def texts(self) -> dict[str, bytes]:
        """Return blob id -> text of every distinct `dvc.lock`."""
        return dict(self.blobs(self.locks))

    def holding(self, md5: str) -> list[str]:
        """Return the blobs of the locks that name `md5`, as a file's or a folder's hash."""
        wanted = md5.encode()
        return [blob for blob, text in self.texts.items() if wanted in text]

    def folders(self) -> set[str]:
        """Return the md5 of every folder that some lock names."""
        return {
            match[:32].decode() for text in self.texts.values() for match in re.findall(rb"([0-9a-f]{32}\.dir)", text)
        }

    def lock(self, blob: str, stages: tuple[str, ...] = ("",)) -> dict[str, Any]:
        """Parse one lock, of it only the stages whose name begins with one of `stages`.

        Parsing is what takes the time, so what several locks say alike is parsed once.
        """
        head, *rest = _STAGE.split(self.texts[blob])
        if not rest:
            found = _parsed(head)
            return found if isinstance(found, dict) else {}
        named = zip(rest[::2], rest[1::2], strict=True)
        chosen = [(name.decode(), entry) for name, entry in named if name.decode().startswith(stages)]
        return {"stages": {name: _parsed(entry) for name, entry in chosen}}

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
            return self._git("cat-file", "blob", f"{commit}:{path}")
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

    def _git(self, *arguments: str, text: bytes | None = None) -> bytes:
        return subprocess.run(["git", "-C", self._at, *arguments], input=text, capture_output=True, check=True).stdout


def _worktree(folder: Path) -> Path:
    """Return the top of the git checkout that a folder lies in, without asking git."""
    around = (folder.resolve(), *folder.resolve().parents)
    return next((top for top in around if (top / ".git").exists()), folder.resolve())


@lru_cache(maxsize=4096)
def _parsed(text: bytes) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def folder_md5(members: Mapping[str, str]) -> str:
    """Return DVC's hash of a folder: the md5 of the JSON list of its files' paths and md5s (dvc_data.hashfile.tree)."""
    entries = [{"md5": members[name], "relpath": name} for name in sorted(members)]
    return f"{hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest()}.dir"
