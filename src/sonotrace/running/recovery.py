"""Mend what a killed run left half written: `dvc.lock` and DVC's table of locks.

DVC writes both in place, so a kill at the wrong moment leaves them empty or cut short, and no later
`dvc` command runs. DVC holds a lock of the system while it writes, which ends with its process: where
that lock is free, nobody is writing.

The table lists process ids. DVC itself drops an id that the system does not know, but neither a zombie,
as killed processes stay in a container without an init, nor an id that another process has been given since.
"""

import fcntl
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LOCK = "dvc.lock"
COPY = "last-whole-dvc.lock"
"""In the folder of state: the last `dvc.lock` that was seen whole."""
BROKEN = "broken-dvc.lock"
"""In the folder of state: what a mended `dvc.lock` held before."""
_CLOCKS_S = 2.0
"""By so much the clocks of processes and of files may differ, s."""
_AGAIN_S = 0.5
"""A file that is being written is whole again after this long, s: for `core.hardlink_lock`, which is another lock."""


def recover(top: Path, state: Path) -> list[str]:
    """Mend the checkout `top`, keep a copy of a whole `dvc.lock` in `state`, and return what was done in lines."""
    done = []
    lock, table = top / LOCK, top / ".dvc/tmp/rwlock"
    if _stays_broken(
        lock, lambda content: _is_whole(content) and not _is_cut(content, top, state), top / ".dvc/tmp/lock"
    ):
        with _unused(top / ".dvc/tmp/lock") as free:
            if free:
                done.append(f"{LOCK}: a killed run left it incomplete; {_restore(lock, state)}")
    if _stays_broken(table, _is_json, top / ".dvc/tmp/rwlock.lock"):
        with _unused(top / ".dvc/tmp/rwlock.lock") as free:
            if free:
                table.unlink()
                done.append(".dvc/tmp/rwlock: a killed run left it incomplete; removed, since no process holds it")
    done += _release_ended(table)
    keep_copy(top, state)
    return done


def keep_copy(top: Path, state: Path) -> None:
    """Copy `dvc.lock` to `state` if it is whole; does nothing where it cannot be read or written."""
    copy = state / COPY
    with suppress(OSError):
        content = (top / LOCK).read_bytes()
        if (not copy.exists() or copy.read_bytes() != content) and _is_whole(content):
            part = copy.with_name(f"{COPY}.part")
            part.write_bytes(content)
            part.replace(copy)


def _release_ended(table: Path) -> list[str]:
    """Remove the locks of ended processes from DVC's table; return what was done in lines."""
    if not _ended(table):
        return []
    with _unused(table.with_name("rwlock.lock")) as free:
        ended = _ended(table) if free else set()
        if not ended:
            return []
        held = json.loads(table.read_bytes())
        kept: dict[str, dict[str, Any]] = {"write": {}, "read": {}}
        kept["write"] = {path: one for path, one in held.get("write", {}).items() if one["pid"] not in ended}
        for path, readers in held.get("read", {}).items():
            if left := [one for one in readers if one["pid"] not in ended]:
                kept["read"][path] = left
        part = table.with_name("rwlock.part")
        part.write_text(json.dumps(kept), encoding="utf-8")
        part.replace(table)
    return [f".dvc/tmp/rwlock: released the locks of process {pid}, which has ended" for pid in sorted(ended)]


def _ended(table: Path) -> set[int]:
    """Return the process ids in DVC's table that exist and cannot hold a lock.

    They are zombies, or began after the table was last written and run another command. The command counts because
    a clock that was set forward makes every process seem to have begun later.
    """
    try:
        held, written = json.loads(table.read_bytes()), table.stat().st_mtime
        entries = [*held.get("write", {}).values(), *(one for some in held.get("read", {}).values() for one in some)]
        commands = {int(entry["pid"]): str(entry["cmd"]) for entry in entries}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return set()
    if not commands:
        return set()
    import psutil  # DVC's own

    ended = set()
    for number, command in commands.items():
        with suppress(psutil.Error):
            process = psutil.Process(number)
            is_later = process.create_time() > written + _CLOCKS_S
            if process.status() == psutil.STATUS_ZOMBIE or (is_later and not _runs(process.cmdline(), command)):
                ended.add(number)
    return ended


def _runs(arguments: list[str], command: str) -> bool:
    """Say whether a process with these arguments may be what DVC noted as `command`, its own `sys.argv`."""
    given = command.partition(" ")[2] or command
    return " ".join(arguments).endswith(given)


def _restore(lock: Path, state: Path) -> str:
    (state / BROKEN).write_bytes(lock.read_bytes())
    copy = state / COPY
    if copy.is_file():
        content, origin = copy.read_bytes(), "put back as it was before that stage"
    else:
        content, origin = _committed(lock.parent), "put back as it was committed"
    if not content:
        lock.unlink()
        return "removed, since neither a copy nor git has it; the next `dvc repro` makes it again"
    part = lock.with_name(f"{LOCK}.part")
    part.write_bytes(content)
    part.replace(lock)
    return f"{origin} (what it held: {state.name}/{BROKEN})"


def _stays_broken(path: Path, whole: Callable[[bytes], bool], guard: Path) -> bool:
    """Say whether a file is there and not whole, at two looks; a file that git merges is not ours to mend."""
    if not guard.parent.is_dir():
        return False
    for look in range(2):
        try:
            content = path.read_bytes()
        except OSError:
            return False
        if whole(content) or b"\n<<<<<<< " in b"\n" + content:
            return False
        if look == 0:
            time.sleep(_AGAIN_S)
    return True


def _is_whole(content: bytes) -> bool:
    import yaml

    if not content.endswith(b"\n"):
        return False
    try:
        return isinstance(yaml.load(content, Loader=yaml.CSafeLoader), dict)
    except (yaml.YAMLError, UnicodeDecodeError):
        return False


def _is_cut(content: bytes, top: Path, state: Path) -> bool:
    """Say whether a lock was cut at the end of a line: what is left reads as YAML, with stages missing."""
    copy = state / COPY
    whole = copy.read_bytes() if copy.is_file() else b""
    return len(content) < len(whole) and whole.startswith(content) and content != _committed(top)


def _committed(top: Path) -> bytes:
    return subprocess.run(["git", "-C", top, "show", f"HEAD:./{LOCK}"], capture_output=True, check=False).stdout


def _is_json(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content), dict)
    except ValueError:
        return False


@contextmanager
def _unused(guard: Path) -> Iterator[bool]:
    """Hold DVC's lock file while the block runs; yield False if a running DVC has it."""
    with guard.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
