"""What a person sees while a stage runs: one line per statement, a bar for long work.

Everything goes to standard output, so that native libraries can be kept quiet on standard error.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def say(text: str) -> None:
    """Print one line."""
    print(text, flush=True)


@contextmanager
def bar(what: str, total: int, to_stderr: bool = False) -> Iterator[Callable[[int], None]]:
    """Show a progress bar while the block runs, and give the function that advances it.

    Where the output is not a terminal there is no bar.
    """
    console = Console(stderr=to_stderr)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


def epoch_log(folder: Path) -> Any:
    """Open the log of a training's epochs, a context manager of DVCLive, in `folder`.

    Left to itself DVCLive rewrites dvc.yaml from inside the stage and saves an experiment.
    """
    from dvclive import Live  # type: ignore[attr-defined]

    return Live(str(folder), dvcyaml=None, save_dvc_exp=False, report=None)


@contextmanager
def native_noise_hidden() -> Iterator[None]:
    """Hide what C and C++ libraries print on standard error; show it after all if the block fails.

    libpng, TensorFlow and CUDA write to the file descriptor itself, past Python.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as noise:
        os.dup2(noise.fileno(), 2)
        try:
            yield
        except Exception:
            noise.seek(0)
            os.write(kept, noise.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
