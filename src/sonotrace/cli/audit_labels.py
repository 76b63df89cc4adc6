"""Audit the labels."""

from pathlib import Path
from typing import Annotated

import typer


def audit_labels(
    out: Annotated[Path, typer.Argument(help="Folder for tables and pictures; what it held is replaced.")] = Path(
        "audit"
    ),
    folds: Annotated[int, typer.Option(min=2, help="Parts of the patients, each judged by a net of its own.")] = 5,
    data_set: Annotated[
        str, typer.Option(help="The data set whose labels are audited; of the kind planes.")
    ] = "planes",
) -> None:
    """List the labels that a classifier doubts, and near-duplicates that differ."""
    from sonotrace.audit import command

    command.run(out, folds, data_set)
