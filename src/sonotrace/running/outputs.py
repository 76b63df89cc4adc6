"""Write outputs whole or not at all: aside first, then renamed into place."""

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonotrace.errors import SonotraceError

if TYPE_CHECKING:  # what only predicts is installed without it
    import pandas as pd

PART = ".part"
"""Ending of what is still being written; git ignores it and the next run clears it away."""

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk that takes no more."""

_REMEDIES = {
    errno.ENOSPC: "check the space left on the disk",
    errno.EDQUOT: "check your quota (`quota -s` shows it), and make room within it",
    errno.EROFS: "it is mounted read-only; mount it for writing, or work in a copy elsewhere",
    errno.EEXIST: "this disk takes names for the same that differ only in upper and lower case or in Unicode form; "
    "rename one of the two in the snapshot, or work on a disk that tells them apart",
}


@contextmanager
def building(path: Path) -> Iterator[Path]:
    """Give a file or folder path to write to; it becomes `path` only if the block ends well.

    The caller creates what it wants at the given path, whose parent exists. What stood at `path`
    before stays there until the new output is whole.
    """
    part = path.with_name(path.name + PART)
    remove(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        remove(path)
        part.rename(path)
    except BaseException:
        remove(part)
        raise


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path` to work in; it goes when the block ends.

    Its name is fixed, so that what a killed run left there goes with the next.
    """
    part = path.with_name(path.name + PART)
    remove(part)
    part.mkdir(parents=True)
    try:
        yield part
    finally:
        remove(part)


def remove(path: Path) -> None:
    """Remove a file or a folder tree, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_bytes(content: bytes, path: Path) -> None:
    """Write `content` to `path`, through a file beside it; raises SonotraceError where the disk does not take it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART)
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        if error.errno in FULL:
            raise unwritten(path, error) from None
        raise


def write_into(path: Path, content: bytes) -> None:
    """Write a new file of a folder that is being built; raises SonotraceError where the disk does not take it.

    That is also where the disk takes its name for that of another file there.
    """
    with _writing(path), path.open("xb", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]


def copy_into(path: Path, source: Path) -> None:
    """Copy a file to a new one of a folder that is being built; raises SonotraceError as `write_into` does.

    The kernel copies, for file systems such as XFS and Btrfs then let both files share their bytes on the
    disk until one of them is changed; what it cannot copy, as between disks, is read and written.
    """
    with source.open("rb", buffering=0) as original, _writing(path), path.open("xb") as copy:
        with suppress(OSError):
            while os.copy_file_range(original.fileno(), copy.fileno(), 2**30):
                pass
        shutil.copyfileobj(original, copy)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritten(path, error) from None


def unwritten(path: Path | str, error: OSError) -> SonotraceError:
    """Return the error for a file or folder that could not be written, with what to do about it."""
    remedy = _REMEDIES.get(error.errno or 0, "check the path and its permissions")
    return SonotraceError(f"{path}: cannot be written ({error.strerror}); {remedy}")


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write JSON that a person can read and that diffs line by line; keys keep their order."""
    write_bytes((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode(), path)


def write_csv(table: "pd.DataFrame", path: Path) -> None:
    """Write a table as UTF-8 CSV with Unix line ends and without the index."""
    write_bytes(table.to_csv(index=False, lineterminator="\n").encode(), path)
