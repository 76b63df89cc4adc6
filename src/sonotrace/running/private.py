"""Keep what the tools store between runs out of other users' reach.

DVC keeps databases with pickles, and reading a pickle runs code. It makes the folders that hold them
writable for everyone, whatever the umask. So they lie in `STATE`, which only its owner can enter.

A checkout that a group shares (`cache.shared = group` in DVC's configuration) is open to that group, and each of
its users has a folder of their own in `STATE`.
"""

import atexit
import configparser
import os
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.places import STATE
from sonotrace.running.outputs import unwritten

DVC_STATE = Path("dvc/repo")
"""Below `STATE`: the part of `core.site_cache_dir` that DVC would make writable for everyone."""
WITH_PATIENTS = ("data", ".dvc/cache")
_OWNER_ONLY = 0o700
_GROUP = 0o070
_SET_GROUP = 0o2000
"""On a folder: what is made in it belongs to its group."""
ROOM = 2**20
"""What DVC's databases need at the least, in bytes; without it, they end DVC with a bus error."""
_HARMLESS = ("downloads", "runs")
"""What `STATE` holds that runs no code: downloads are checked by hash, records are only shown."""


def is_shared(top: Path) -> bool:
    """Say whether DVC's configuration of the checkout `top` shares the cache with a group."""
    config = configparser.ConfigParser(interpolation=None)
    for name in ("config", "config.local"):
        with suppress(OSError, configparser.Error, UnicodeDecodeError):
            config.read(top / ".dvc" / name, encoding="utf-8")
    return config.get("cache", "shared", fallback="") == "group"


def share(top: Path) -> None:
    """Let the group write all that this process and its children make, where the checkout `top` is shared."""
    if is_shared(top):
        os.umask(os.umask(_OWNER_ONLY) & ~_GROUP)


def private_state(top: Path) -> Path:
    """Return the folder for the tools' state of the checkout `top`, which nobody but its user can enter.

    Caches that others could write to are deleted first, since what they hold may not be ours. Where the
    file system cannot make a folder private, or has no room, a temporary one takes its place. Raises SonotraceError
    where the folder belongs to somebody else.
    """
    common = state = top / STATE
    if is_shared(top):
        state = common / f"user-{os.geteuid()}"
    folders = [state, *(state / part for part in reversed(DVC_STATE.parents) if part.parts), state / DVC_STATE]
    try:
        if state != common:
            common.mkdir(exist_ok=True)
            _open_to_group(common, top)
        for folder in folders:
            _make_private(folder, top)
        ignored = common / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n", encoding="utf-8")  # whatever a repository ignores, this is never committed
    except OSError:
        return _temporary()
    if full := no_room(state):
        print(f"note: {state}: {full.strerror}; another folder takes its place for this run", file=sys.stderr)
    return state if not full and all(_is_private(folder) for folder in folders) else _temporary()


def common_state(top: Path, state: Path) -> Path:
    """Return the folder of what all users of the checkout `top` have in common; `state` is this user's own."""
    return top / STATE if is_shared(top) else state


def close_data(top: Path) -> None:
    """Let nobody but their owner enter the folders of the checkout `top` that hold images and name patients.

    Git and DVC keep no modes of folders, so this is done whenever a command starts. Where a group shares the
    checkout, that group may do there what the owner may. Folders of another owner are left alone.
    """
    is_open = is_shared(top)
    for name in WITH_PATIENTS:
        with suppress(OSError):
            folder = top / name
            if is_open:
                _open_to_group(folder, top)
            elif folder.stat().st_uid == os.geteuid() and stat.S_IMODE(folder.stat().st_mode) & ~_OWNER_ONLY:
                folder.chmod(stat.S_IMODE(folder.stat().st_mode) & _OWNER_ONLY)


def _open_to_group(folder: Path, top: Path) -> None:
    """Let the group of `top` do in a folder of this user what its owner may, and nobody else."""
    found, group = folder.stat(), top.stat().st_gid
    if found.st_uid != os.geteuid():
        return
    mode = found.st_mode & _OWNER_ONLY
    wanted = mode | mode >> 3 | _SET_GROUP
    if found.st_gid != group:
        with suppress(PermissionError):  # not a member of it
            os.chown(folder, -1, group)
    if stat.S_IMODE(folder.stat().st_mode) != wanted:
        folder.chmod(wanted)


def _make_private(folder: Path, top: Path) -> None:
    with suppress(FileExistsError):
        folder.mkdir(mode=_OWNER_ONLY)
    found = folder.stat()
    if found.st_uid not in {os.geteuid(), top.stat().st_uid}:
        raise SonotraceError(
            f"{folder}: belongs to another user; remove it, it holds nothing that cannot be made again"
        )
    if stat.S_IMODE(found.st_mode) == _OWNER_ONLY:
        return
    folder.chmod(_OWNER_ONLY)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        doubtful = [path for path in folder.iterdir() if folder.name != STATE.name or path.name not in _HARMLESS]
        for path in doubtful:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        if doubtful:
            print(
                f"note: {folder}: other users could write here; made private, and its caches deleted", file=sys.stderr
            )


def _is_private(folder: Path) -> bool:
    return stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0


def no_room(folder: Path, size: int = ROOM) -> OSError | None:
    """Return why the disk does not take `size` more bytes in a folder; None where it does."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:  # a buffered one: a raw one writes what fits, and says nothing
            file.write(bytes(size))
            file.flush()
    except OSError as error:
        return error
    return None


def _temporary() -> Path:
    try:
        state = Path(tempfile.mkdtemp(prefix="sonotrace-"))
    except OSError as error:
        raise unwritten(tempfile.gettempdir(), error) from None
    atexit.register(shutil.rmtree, state, ignore_errors=True)
    if full := no_room(state):
        raise unwritten(state.parent, full)
    return state
