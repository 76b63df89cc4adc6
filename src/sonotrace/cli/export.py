"""Write the recorded run in a standard form: one command per form."""

from pathlib import Path

import typer

from sonotrace.cli.options import NewFile, NewFolder

app = typer.Typer(help="Write the recorded run in a standard form (docs/exports.md).", no_args_is_help=True)


@app.command()
def rocrate(out: NewFolder) -> None:
    """Write an RO-Crate (Workflow Run): the run with its models, metrics and reports."""
    from sonotrace.export import rocrate as form

    form.write(Path(), out)


@app.command()
def croissant(out: NewFolder) -> None:
    """Write a Croissant description of each data snapshot; it lists no image and no patient."""
    from sonotrace.export import croissant as form

    form.write(Path(), out)


@app.command()
def mlbom(out: NewFile) -> None:
    """Write a CycloneDX ML-BOM: models, data and locked dependencies, with their hashes."""
    from sonotrace.export import mlbom as form

    form.write(Path(), out)


@app.command()
def card(out: NewFile) -> None:
    """Write a model card (Markdown): models, data, scores with intervals, limits; it names no patient."""
    from sonotrace.export import card as form

    form.write(Path(), out)


@app.command()
def checklist(out: NewFile) -> None:
    """Write CLAIM 2024 and TRIPOD+AI (Markdown), filled in as far as a pipeline can; the rest is the author's."""
    from sonotrace.export import checklist as form

    form.write(Path(), out)
