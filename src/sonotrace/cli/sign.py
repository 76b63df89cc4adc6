"""Sign the models."""

from pathlib import Path
from typing import Annotated

import typer


def sign(
    key: Annotated[Path, typer.Option(help="Your private key: EC on P-256, P-384 or P-521, PEM.")],
) -> None:
    """Sign both models with your own key: a file beside each, NAME.sig."""
    from sonotrace.export import signature as signatures

    for path in signatures.sign(key, Path()):
        print(f"wrote {path}")
