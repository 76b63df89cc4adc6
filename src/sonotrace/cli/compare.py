"""Show what differs between two states of the project."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from sonotrace.cli.options import AsJson, Repository


def compare(
    a: Annotated[str, typer.Argument(help="The older state: a commit, branch, tag or experiment, or `workspace`.")],
    b: Annotated[str, typer.Argument(help="The newer state.")],
    csv: Annotated[Path | None, typer.Option(help="Write the images that differ to this file; names patients.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the comparison to this file, as one page.")] = None,
    repo: Repository = Path(),
    as_json: AsJson = False,
) -> None:
    """Show what differs from A to B: data, parameters, code and scores; exit code 3 if a model got worse."""
    from sonotrace.compare import comparison, mapping, page, text
    from sonotrace.running.outputs import write_bytes, write_csv

    compared, images = comparison.compare(a, b, repo)
    if csv:
        write_csv(images, csv)
    if html:
        write_bytes(page.page(compared).encode(), html)
    if as_json:
        print(json.dumps(mapping.mapping(compared), indent=2, ensure_ascii=False))
    else:
        text.show(compared)
    if compared.worse:
        print(f"worse: {', '.join(compared.worse)}", file=sys.stderr)
        raise typer.Exit(3)
