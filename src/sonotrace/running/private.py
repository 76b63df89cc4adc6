"""Keep what the tools store between runs out of other users' reach.

DVC keeps databases with pickles, and reading a pickle runs code. It makes the folders that hold them
writable for everyone, whatever the umask. So they lie in `STATE`, which only its owner can enter.
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

DVC_STATE = Path("dvc/repo")
"""Below `STATE`: the part of `core.site_cache_dir` that DVC would make writable for everyone."""
WITH_PATIENTS = ("data", ".dvc/cache")
_OWNER_ONLY = 0o700
_HARMLESS = ("downloads", "runs")
"""What `STATE` holds that runs no code: downloads are checked by hash, records are only shown."""


def private_state(top: Path) -> Path:
    """Return the folder for the tools' state of the checkout `top`, which nobody but its owner can enter.

    Caches that others could write to are deleted first, since what they hold may not be ours. Where the
    file system cannot make a folder private, a temporary one takes its place. Raises SonotraceError
    where the folder belongs to somebody else.
    """
    state = top / STATE
    folders = [state, *(state / part for part in reversed(DVC_STATE.parents) if part.parts), state / DVC_STATE]
    try:
        for folder in folders:
            _make_private(folder, top)
        ignored = state / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n", encoding="utf-8")  # whatever a repository ignores, this is never committed
    except OSError:
        return _temporary()
    return state if all(_is_private(folder) for folder in folders) else _temporary()


def close_data(top: Path) -> None:
    """Let nobody but their owner enter the folders of the checkout `top` that hold images and name patients.

    Git and DVC keep no modes of folders, so this is done whenever a command starts. Where `.dvc/config` says that a
    group shares the cache (`cache.shared`), that group stays in. Folders of another owner are left alone.
    """
    config = configparser.ConfigParser(interpolation=None)
    with suppress(OSError, configparser.Error, UnicodeDecodeError):
        config.read(top / ".dvc/config", encoding="utf-8")
    group = config.get("cache", "shared", fallback="") == "group"
    for name in WITH_PATIENTS:
        with suppress(OSError):
            mode = stat.S_IMODE((top / name).stat().st_mode)
            wanted = mode & (0o2770 if group else _OWNER_ONLY)
            if wanted != mode and (top / name).stat().st_uid == os.geteuid():
                (top / name).chmod(wanted)


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


def _temporary() -> Path:
    state = Path(tempfile.mkdtemp(prefix="sonotrace-"))
    atexit.register(shutil.rmtree, state, ignore_errors=True)
    return state
