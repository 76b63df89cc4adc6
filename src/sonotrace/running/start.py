"""Prepare the ground before `dvc` or `snakemake` starts, however they are started.

`make setup` puts `sonotrace.pth` into the environment, by which every Python there imports this module
first. It does nothing unless that Python runs one of the two engines inside a checkout. Why not
otherwise: docs/decisions/0011-before-an-engine-starts.md.
"""

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path

ENGINES = ("dvc", "snakemake")
_WRONG = 3
_PARAMS = f"""
from sonotrace import params
from sonotrace.errors import SonotraceError
try:
    params.load()
except SonotraceError as error:
    print(error)
    raise SystemExit({_WRONG})
"""


def prepare(top: Path, mends: bool = True) -> Path:
    """Make the checkout's state and data private, mend what a kill left, point DVC there; return the folder of state.

    Without `mends`, nothing in the checkout changes but its state.

    Raises SonotraceError where the state belongs to somebody else.
    """
    from sonotrace.running.private import close_data, common_state, private_state, share
    from sonotrace.running.recovery import recover

    share(top)
    state = private_state(top)
    if mends:
        close_data(top)
    for line in recover(top, common_state(top, state)) if mends else ():
        print(f"note: {line}", file=sys.stderr)
    os.environ.setdefault("DVC_SITE_CACHE_DIR", str(state / "dvc"))
    _name_the_user()
    return state


def engine_of(arguments: list[str]) -> str | None:
    """Return which engine a command line runs: `python .../bin/dvc`, `python -m dvc`, or None."""
    return next((name for part in arguments[:3] if (name := part.rpartition("/")[2]) in ENGINES), None)


def checkout_around(folder: Path) -> Path | None:
    """Return the checkout that `folder` lies in; one that may not be read is none, and the engine says so."""
    around = (folder, *folder.parents)
    for top in around:
        with suppress(PermissionError):
            if (top / ".dvc").is_dir() and (top / "params.yaml").is_file():
                return top
    return None


def _name_the_user() -> None:
    """Give a process whose user has no account, as in many containers, a name: DVC and torch ask for one."""
    import getpass

    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = str(os.getuid())


def _check_params(top: Path, state: Path) -> None:
    """Raise SonotraceError where params.yaml is wrong. Stages would say so too, but DVC deletes their outputs first.

    The checkout's own code decides, which another checkout may have installed in another version. A file that was right
    is not looked at again, since that takes half a second.
    """
    import subprocess

    from sonotrace.errors import SonotraceError

    known = state / "params.sha256"
    found = hashlib.sha256((top / "params.yaml").read_bytes()).hexdigest()
    with suppress(OSError):
        if known.read_text(encoding="ascii") == found:
            return
    if not (top / "src/sonotrace/params").is_dir():
        return
    done = subprocess.run(
        [sys.executable, "-c", _PARAMS],
        cwd=top,
        env=os.environ | {"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == _WRONG:
        raise SonotraceError(done.stdout.strip())
    if done.returncode == 0:  # or else the stages say what is the matter
        with suppress(OSError):
            known.write_text(found, encoding="ascii")


def _start() -> None:
    engine = engine_of(sys.orig_argv)
    top = checkout_around(Path.cwd()) if engine else None
    if top is None:
        return
    from sonotrace.errors import SonotraceError
    from sonotrace.running import writable
    from sonotrace.running.private import common_state

    try:
        state = prepare(top)
        if writable.runs(sys.orig_argv):
            _check_params(top, state)
            writable.check(top, sys.orig_argv)
    except SonotraceError as error:
        os.write(2, f"error: {error}\n".encode())
        os._exit(1)  # an exception would be reported and forgotten, as of any .pth file
    if engine == "snakemake":
        from sonotrace.running import snakemake_lock

        for line in snakemake_lock.hold(top, common_state(top, state)):
            print(f"note: {line}", file=sys.stderr)
        # It keeps its source cache there, by default in the user's home.
        os.environ["XDG_CACHE_HOME"] = str(state / "cache")


if engine_of(sys.orig_argv):
    _start()
