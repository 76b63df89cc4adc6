"""Say where the data come from."""

from typing import Annotated

import typer


def sources(
    check: Annotated[bool, typer.Option("--check", help="Ask for newer versions; exit code 3 if there are.")] = False,
) -> None:
    """Say where each data set comes from, what is pinned, and its licence."""
    from sonotrace.intake import catalogue

    if catalogue.show(check):
        raise typer.Exit(3)
