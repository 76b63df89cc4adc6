"""Find what a run could not write before it begins.

DVC deletes a stage's outputs one by one, runs it, and writes `dvc.lock` last: what it may not delete or write
stops it half way, with outputs gone or a training not recorded.
"""

import os
import pwd
import shlex
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.places import STATE
from sonotrace.records.lock import Step, read
from sonotrace.running.item_cache import dvc_cache
from sonotrace.running.outputs import FULL, unwritten
from sonotrace.running.private import no_room
from sonotrace.running.recovery import LOCK

AGAIN = "then run the same command again"
_TABLES = ".dvc/tmp"
_TABLE_BYTES = 2**16
"""What DVC's table of locks needs at the least."""
_NO_RUN = {"-n", "--dry", "--dry-run", "--dryrun", "--queue", "--temp"}
"""Options with which nothing in the checkout is written."""
_ALONE = {"-s", "--single-item"}
_BEYOND = {"--downstream", "-p", "--pipeline", "-P", "--all-pipelines"}
"""Options with which DVC runs more than the stages named and what they come from."""


def runs(arguments: Sequence[str]) -> bool:
    """Return whether a command line runs stages in the checkout: `dvc repro`, `dvc exp run` and `snakemake` do."""
    words = _words(arguments)
    return bool(words & {"repro", "snakemake"} or {"exp", "run"} <= words) and not words & _NO_RUN


def check(top: Path, arguments: Sequence[str]) -> None:
    """Raise SonotraceError where what the command line `arguments` runs could not write in the checkout `top`.

    Of the outputs, those count that `dvc.lock` has of the stages named and of all that they come from, or else of
    all stages.
    """
    words = _words(arguments)
    for path in _needed(top, set() if words & _BEYOND else words):
        asked = os.W_OK | os.X_OK if (top / path).is_dir() else os.W_OK
        if not os.access(top / path, asked, effective_ids=os.access in os.supports_effective_ids):
            raise SonotraceError(_refusal(top, path))
    full = no_room(top / _TABLES, _TABLE_BYTES) if (top / _TABLES).is_dir() else None
    if full and full.errno in FULL:
        raise SonotraceError(f"{unwritten(_TABLES, full)}, {AGAIN}")


def _words(arguments: Sequence[str]) -> set[str]:
    return {Path(word).name if at < 3 else word for at, word in enumerate(arguments)}


def _needed(top: Path, words: set[str]) -> Iterator[Path]:
    """Yield what has to be written, relative to `top`; of what is missing, the folder that it goes to."""
    cache, _ = dvc_cache(top)
    places = [Path(LOCK), *(Path(_TABLES, name) for name in ("", "lock", "rwlock", "rwlock.lock"))]
    places += [cache / below for below in ("", "files/md5")] if cache else []
    places += [STATE, STATE / "running", STATE / "runs"]
    outputs: list[Path] = []
    with suppress(OSError, SonotraceError):  # without a lock, nothing is known of outputs
        lock = (top / LOCK).read_bytes()
        steps = (words & _ALONE and read(lock, tuple(words))) or read(lock)  # parsing takes the time
        stages = _run(steps, words)
        places += [STATE / "running" / stage for stage in stages]
        outputs = [Path(link.path) for stage in stages for link in steps[stage].outputs]
    yield from dict.fromkeys(_there(top, place) for place in places)
    for output in outputs:
        yield _there(top, output.parent)
        if (top / output).is_dir() and (top / output).stat().st_uid != os.geteuid():  # DVC opens those of its user
            yield output


def _there(top: Path, path: Path) -> Path:
    """Return the path, or the lowest folder above it that is there."""
    return next(one for one in (path, *path.parents) if (top / one).exists())


def _run(steps: Mapping[str, Step], words: set[str]) -> list[str]:
    """Return the stages that `words` name, as either engine does, and what they come from; all where none is named."""
    makers = {link.path: stage for stage, step in steps.items() for link in step.outputs}
    wanted = {
        stage
        for stage, step in steps.items()
        if words & {stage, stage.partition("@")[0], stage.replace("@", "_"), *(link.path for link in step.outputs)}
    }
    if not words & _ALONE:
        new = set(wanted)
        while new:
            new = {makers[link.path] for stage in new for link in steps[stage].inputs if link.path in makers} - wanted
            wanted |= new
    return [stage for stage in steps if stage in wanted or not wanted]


def _refusal(top: Path, path: Path) -> str:
    at = top / path
    found, shown = at.stat(), at.relative_to(top) if at.is_relative_to(top) and at != top else at
    if os.statvfs(at).f_flag & os.ST_RDONLY:
        return f"{shown}: on a disk that is mounted read-only; mount it for writing, or work in a copy elsewhere"
    mode = f"mode {stat.S_IMODE(found.st_mode):04o}"
    if found.st_uid == os.geteuid():
        return f"{shown}: not writable ({mode}); `chmod u+rwX {shlex.quote(str(shown))}`, {AGAIN}"
    owner = _name(found.st_uid)
    return (
        f"{shown}: not writable by you ({mode}, owner {owner}); work in a clone of your own, or let {owner} share "
        "this checkout with a group (docs/reliability.md)"
    )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
