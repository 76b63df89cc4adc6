"""A stage and the engine that runs it: one ends with the other, and no stage runs twice at a time."""

import fcntl
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sonotrace.places import STATE
from sonotrace.running.progress import say
from sonotrace.running.start import engine_of

RUNNING = STATE / "running"
INTERRUPTED = 130
"""Exit code of a stage that was stopped, as shells have it for Ctrl-C."""
_GRACE_S = 10
"""How long a stage may take to clear away what it was writing once its engine is gone, s."""


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Run the block as the stage `name`.

    It waits for an earlier run of the stage that has not ended yet. It ends when DVC or Snakemake, which
    run it, end. Where Ctrl-C or SIGTERM stops it, it says how to go on and raises SystemExit.
    """
    with alone(name):
        with suppress(ValueError):  # signals belong to the main thread
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        engines = list(engines_above(os.getpid()))
        _end_with([pid for pid, _ in engines])
        try:
            yield
        except KeyboardInterrupt:
            print(f"{name}: stopped. {how_to_go_on([engine for _, engine in engines])}", file=sys.stderr, flush=True)
            raise SystemExit(INTERRUPTED) from None


def how_to_go_on(engines: list[str]) -> str:
    """Return what to do after a stage was stopped."""
    if "DVC_EXP_NAME" in os.environ:
        return (
            "This experiment was not saved; the same `dvc exp run` starts it again, and takes finished stages over. "
            "If `git status` says that HEAD is detached: `git switch -`"
        )
    if "snakemake" in engines:
        return "The same command goes on with this stage; finished stages are kept"
    return "`dvc repro` goes on with this stage; finished stages are kept"


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Run the block when no other process of this checkout runs the stage `name`."""
    RUNNING.mkdir(parents=True, exist_ok=True)
    with (RUNNING / name).open("a+b") as lock:  # the system drops the lock when the process ends, however it does
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{name}: waiting for an earlier run of this stage to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if lock.read():
            say(f"{name}: its last run was killed; it starts again")
        lock.truncate(0)
        lock.write(b"running\n")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def engines_above(pid: int) -> Iterator[tuple[int, str]]:
    """Yield process id and name of each engine among the ancestors of a process, nearest first."""
    while (pid := _parent(pid)) > 1:
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            return
        if engine := engine_of(arguments):
            yield pid, engine


def _parent(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(status.rpartition(")")[2].split()[1])  # the command, in parentheses, may hold anything


def _end_with(pids: list[int]) -> None:
    """End this process, as by SIGTERM, when the first of the others does."""
    waiting = select.poll()
    for pid in pids:
        with suppress(OSError):  # gone already, or a system that cannot wait for others' processes
            waiting.register(os.pidfd_open(pid), select.POLLIN)

    def wait() -> None:
        waiting.poll()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_S)
        os._exit(INTERRUPTED)

    if pids:
        threading.Thread(target=wait, daemon=True).start()
