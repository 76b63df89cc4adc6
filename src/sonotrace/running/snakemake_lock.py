"""Take away the lock that a killed Snakemake leaves behind, which otherwise needs `snakemake --unlock` by hand.

Every Snakemake of a checkout holds a shared lock of the system on one file of the state, which ends with its process.
Whoever gets that file for itself knows that no other Snakemake of this machine runs. The file names the machines that
have started one since there was no lock; where that is another one too, as on a shared file system, the lock stays.
"""

import fcntl
import platform
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

LOCKS = Path(".snakemake/locks")
STARTED = "snakemake"
"""In the folder of state: the file."""
UNKNOWN = "?"
"""Stands in it for whoever made a lock when there was no such file."""

_held: list[BinaryIO] = []
"""Kept open until the process ends; not inherited by others."""


def hold(top: Path, state: Path) -> list[str]:
    """Hold the shared lock from now on; return what was mended before that, in lines.

    Does nothing where the file system knows no such locks.
    """
    done: list[str] = []
    with suppress(OSError):
        file = (state / STARTED).open("a+b")
        _held.append(file)
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            done = _mend(top, file)
        fcntl.flock(file, fcntl.LOCK_SH)
        _note(file, platform.node())
    return done


def _mend(top: Path, file: BinaryIO) -> list[str]:
    """Remove Snakemake's lock if only this machine can have made it; return what was done in lines."""
    locks = [path for path in (top / LOCKS).glob("*.lock") if path.is_file()]
    machines = _machines(file)
    if not locks:
        file.truncate(0)
    elif not machines:
        _note(file, UNKNOWN)
    elif machines == {platform.node()}:
        for path in locks:
            path.unlink(missing_ok=True)
        return [f"{LOCKS}: a killed Snakemake left its lock; removed, since none runs"]
    return []


def _machines(file: BinaryIO) -> set[str]:
    file.seek(0)
    return set(file.read().decode(errors="replace").splitlines())


def _note(file: BinaryIO, machine: str) -> None:
    if machine not in _machines(file):
        file.write(f"{machine}\n".encode())  # the file is open for appending: nobody's note is lost
        file.flush()
