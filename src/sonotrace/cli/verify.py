"""Hash the workspace again."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sonotrace.errors import SonotraceError


def verify(
    signature: Annotated[
        bool, typer.Option("--signature", help="Instead: do the models' signatures hold for --key?")
    ] = False,
    key: Annotated[Path | None, typer.Option(help="With --signature: the signer's public key, PEM.")] = None,
) -> None:
    """Hash the whole workspace again, and compute the metrics again from stored predictions."""
    if signature != (key is not None):
        raise SonotraceError("verify: --signature and --key PUBLIC.pem go together; give both or neither")
    if key is not None:
        from sonotrace.export import signature as signatures

        found = list(signatures.problems(key, Path()))
    else:
        from sonotrace.lineage.verify import problems

        found = list(problems(Path()))
    for problem in found:
        print(problem)
    if found:
        print(f"error: {len(found)} things are not as {'signed' if key else 'recorded'}", file=sys.stderr)
        raise typer.Exit(1)
    if key is not None:
        print("verified: every model has a signature that holds for this key")
    else:
        print("verified: every file that dvc.lock names, every image of the manifests, every metric")
