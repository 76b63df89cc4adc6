"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer


def _data_sets(incomplete: str) -> list[str]:
    """Return the data sets of params.yaml, for completion in a shell."""
    from sonotrace.errors import SonotraceError
    from sonotrace.params import load

    try:
        return [name for name in load().data_sets if name.startswith(incomplete)]
    except SonotraceError:
        return []


DataSet = Annotated[
    str,
    typer.Argument(help="A data set of params.yaml, such as planes.", autocompletion=_data_sets, show_default=False),
]
AllowUnknown = Annotated[
    bool, typer.Option("--allow-unknown", help="Load a model that dvc.lock does not know; loading one may run code.")
]
Repository = Annotated[Path, typer.Option("--repo", help="A checkout of the project, if not this folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="All of it, as JSON.")]
NewFolder = Annotated[Path, typer.Argument(help="The folder to make.")]
NewFile = Annotated[Path, typer.Argument(help="The file to make.")]
