"""Say where a file came from, and what is known of a patient or an image."""

from pathlib import Path
from typing import Annotated

import typer

from sonotrace.cli.options import AsJson, Repository


def lineage(
    file: Annotated[Path | None, typer.Argument(help="Any file, from anywhere; its bytes tell what it is.")] = None,
    patient: Annotated[str | None, typer.Option(help="Which splits and models know this patient.")] = None,
    image: Annotated[str | None, typer.Option(help="The same for an image id.")] = None,
    images: Annotated[
        bool, typer.Option("--images", "--patients", help="List what it was trained, validated and tested on.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Hash every link again that is present.")] = False,
    blobs: Annotated[
        bool, typer.Option("--blobs", help="With --patient: md5 and path of each of their image files.")
    ] = False,
    repo: Repository = Path(),
    as_json: AsJson = False,
) -> None:
    """Say which commits, parameters, code, data and patients a file came from."""
    from sonotrace.lineage import command

    question = command.Question(file, patient, image, images, verify, blobs)
    if not command.run(question, repo, as_json):
        raise typer.Exit(1)
