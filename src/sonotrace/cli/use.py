"""Take up one's own images, or go back to drawn ones."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sonotrace.cli.options import DataSet


def use(
    data_set: DataSet,
    path: Annotated[
        Path | None, typer.Argument(help="Your images: a folder, a zip or tar file, or an export.", show_default=False)
    ] = None,
    phantom: Annotated[bool, typer.Option("--phantom", help="Go back to the drawn images.")] = False,
    cohort: Annotated[
        str,
        typer.Option(
            "--cohort",
            metavar="TRAINED_ON",
            help="Add a new data set to measure the model of TRAINED_ON on; nothing is trained on it.",
            show_default=False,
        ),
    ] = "",
    set_param: Annotated[
        list[str] | None,
        typer.Option("--set-param", "-S", metavar="KEY=VALUE", help="Set a parameter besides, as in dvc exp run."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the files of an earlier snapshot.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show, change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Train on your own images: check them, put them in place, and set the parameters."""
    from sonotrace.errors import SonotraceError
    from sonotrace.own_images.command import Wishes, use, use_phantom

    if phantom == (path is not None):
        raise SonotraceError(f"use {data_set}: name your images, or give --phantom for the drawn ones")
    if phantom and cohort:
        raise SonotraceError(f"use {data_set}: --phantom and --cohort exclude each other; a cohort has its own images")
    if not (yes or dry_run or sys.stdin.isatty()):
        raise SonotraceError(f"use {data_set}: cannot ask without a terminal; add --yes, or --dry-run to only look")
    wishes = Wishes(set_param or [], replace, dry_run, lambda: yes or typer.confirm("Go on?"), cohort)
    if path is None:
        use_phantom(data_set, wishes)
    else:
        use(data_set, path, wishes)
