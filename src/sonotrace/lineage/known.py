"""Is a model file one that this project made? Asked before it is read, since reading a pickle runs code in it.

A file is known by its md5, as DVC knows it. Only what a training stage wrote counts.
"""

import time
from collections.abc import Iterable
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.records.history import LOCK, History, NoRepositoryError
from sonotrace.records.lock import Step, read
from sonotrace.records.store import md5_of

PATIENCE = 2.0
"""Seconds to wait for a `dvc.lock` that names the model: DVC writes it in place, while other stages run."""


def unknown(models: Iterable[Path], top: Path) -> list[Path]:
    """Return the models that neither the workspace's `dvc.lock` nor any commit, branch or experiment names.

    Files that are not there are left to whoever reads them.
    """
    return [model for model in models if model.is_file() and not _is_known(md5_of(model), top)]


def refuse_unknown(models: Iterable[Path], top: Path) -> None:
    """Raise SonotraceError for the first unknown model."""
    for model in unknown(models, top):
        raise SonotraceError(
            f"{model}: unknown: no dvc.lock of this repository names its md5 {md5_of(model)} as a model; "
            "take one that `dvc repro` made here, or trust this one by --allow-unknown"
        )


def refuse_another(model: Path, top: Path, patience: float = PATIENCE) -> None:
    """Raise SonotraceError where the workspace's `dvc.lock` does not name these bytes for this file."""
    if not model.is_file():
        return
    md5, until = md5_of(model), time.monotonic() + patience
    while (model.as_posix(), md5) not in _named(top / LOCK):
        if time.monotonic() > until:
            raise SonotraceError(
                f"{model}: not the model that {LOCK} names (md5 {md5}); bring that back by `dvc checkout {model}`, "
                "or evaluate this one by hand with --allow-unknown"
            )
        time.sleep(0.1)


def _is_known(md5: str, top: Path) -> bool:
    if any(md5 == named for _, named in _named(top / LOCK)):
        return True
    try:
        history = History(top)
    except NoRepositoryError:
        return False
    return any(md5 == named for blob in history.holding(md5) for _, named in _models(history.texts[blob]))


def _named(lock: Path) -> set[tuple[str, str]]:
    try:
        return _models(lock.read_bytes())
    except FileNotFoundError:
        return set()


def _models(text: bytes) -> set[tuple[str, str]]:
    """Return path and md5 of what the training stages of a lock wrote; nothing where it is none, or half written."""
    try:
        found: Iterable[Step] = read(text).values()
    except SonotraceError:
        return set()
    return {(link.path, link.md5) for step in found if step.stage.startswith("train_") for link in step.outputs}
