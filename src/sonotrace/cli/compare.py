"""Compare two states."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def compare(
    a: Annotated[str, typer.Argument(help="A commit, branch, tag or experiment, or `workspace`.")],
    b: Annotated[str, typer.Argument(help="Another: the newer one.")],
    csv: Annotated[Path | None, typer.Option(help="Write the images that differ here; it names patients.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write it as one page here.")] = None,
    repo: Annotated[Path, typer.Option(help="A clone of the project, if not this folder.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """Say what differs from A to B: data, parameters, code and scores; exit code 3 if a model got worse."""
    from sonotrace.compare import comparison, page, text
    from sonotrace.running.outputs import write_bytes, write_csv

    found, images = comparison.compare(a, b, repo)
    if csv:
        write_csv(images, csv)
    if html:
        write_bytes(page.page(found).encode(), html)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        text.show(found)
    if found["worse"]:
        print(f"worse: {', '.join(found['worse'])}", file=sys.stderr)
        raise typer.Exit(3)
