"""Is a model file one that this project made? Decided before it is loaded, since loading a pickle runs code in it.

The bytes are read once, and the bytes that were checked are those to load: a file can be exchanged between
two reads. They are known by their md5, as DVC knows them. Only what a training or export wrote counts. A lock in
git has an author and is reviewed; the workspace's own, which any program may have edited, is believed with a
warning.
"""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.records.history import LOCK, History
from sonotrace.records.lock import exports, models, read

PATIENCE = 2.0
"""Seconds to wait for a `dvc.lock` that names the model: DVC writes it in place, while other stages run."""


@dataclass(frozen=True)
class TrustedModel:
    """The bytes of a model file, and who vouches for them."""

    path: Path
    content: bytes
    committed: bool
    """Whether the lock of a commit, branch or experiment names these bytes."""
    known: bool
    """Whether that, or the workspace's uncommitted lock, does; False only where unknown models were allowed."""

    @property
    def md5(self) -> str:
        """Return the md5 of the bytes, which is what DVC knows them by."""
        return hashlib.md5(self.content, usedforsecurity=False).hexdigest()

    @property
    def warning(self) -> str:
        """Say on one line what is doubtful about the bytes; empty where nothing is."""
        if not self.known:
            return f"{self.path}: no {LOCK} names this model (--allow-unknown)"
        return "" if self.committed else f"{self.path}: named only by the uncommitted {LOCK}; commit it"


def read_model(path: Path, top: Path, allow_unknown: bool = False) -> TrustedModel:
    """Read a model that the checkout `top` made, at any time and under any name.

    Raises SonotraceError where the file is missing, or no lock of the workspace, a commit, a branch or an
    experiment names its bytes and unknown ones are not allowed.
    """
    content = _content(path)
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    committed = _is_committed(md5, top)
    known = committed or any(md5 == named for _, named in _named(_workspace(top)))
    if not known and not allow_unknown:
        raise SonotraceError(
            f"{path}: unknown: no {LOCK} of this repository names its md5 {md5} as a model; use one that `dvc repro` "
            "made here, or trust this one by --allow-unknown"
        )
    return TrustedModel(path, content, committed, known)


def read_current(path: Path, top: Path, allow_unknown: bool = False, patience: float = PATIENCE) -> TrustedModel:
    """Read the model that the workspace's `dvc.lock` names for this path.

    Whether that lock is committed is not asked for, since a training has just written it. Raises SonotraceError
    where the file is missing, or has other bytes than the lock names and unknown ones are not allowed.
    """
    model = TrustedModel(path, _content(path), committed=False, known=True)
    until = time.monotonic() + patience
    while (path.as_posix(), model.md5) not in _named(_workspace(top)):
        if allow_unknown:
            return TrustedModel(path, model.content, committed=False, known=False)
        if time.monotonic() > until:
            raise SonotraceError(
                f"{path}: not the model that {LOCK} names (md5 {model.md5}); bring that back by `dvc checkout {path}`, "
                "or evaluate this one by hand with --allow-unknown"
            )
        time.sleep(0.1)
    return model


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise SonotraceError(f"{path}: no such model; `dvc repro` makes it, `dvc checkout` restores it") from None


def _is_committed(md5: str, top: Path) -> bool:
    try:
        locks = History(top).holding(md5)
    except SonotraceError:  # no git repository, so nothing is committed
        return False
    return any(md5 == named for lock in locks if lock.is_committed for _, named in _named(lock.text))


def _workspace(top: Path) -> bytes:
    try:
        return (top / LOCK).read_bytes()
    except FileNotFoundError:
        return b""


def _named(lock: bytes) -> set[tuple[str, str]]:
    """Return path and md5 of the models that a lock names; none where it cannot be read, or is half written."""
    try:
        steps = read(lock, ("train_", "export_")).values()
    except SonotraceError:
        return set()
    return {(link.path, link.md5) for step in steps for link in [*models(step), *exports(step)]}
