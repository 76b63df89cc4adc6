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
MODELS = "Models and who vouches for them"
OnnxFolder = Annotated[
    Path | None,
    typer.Option(
        "--models", help="The folder of the .onnx files, if not the checkout's models.", rich_help_panel=MODELS
    ),
]
HashFiles = Annotated[
    list[Path] | None,
    typer.Option("--hashes", help="A file of sha256 that names the models (onnx.sha256).", rich_help_panel=MODELS),
]
SignersKey = Annotated[
    Path | None,
    typer.Option("--key", help="The public key of whoever signed the models, PEM.", rich_help_panel=MODELS),
]
UseUnknown = Annotated[
    bool, typer.Option("--allow-unknown", help="Use models that nobody vouches for.", rich_help_panel=MODELS)
]
AsJson = Annotated[bool, typer.Option("--json", help="All of it, as JSON.")]
NewFolder = Annotated[Path, typer.Argument(help="The folder to make.")]
NewFile = Annotated[Path, typer.Argument(help="The file to make.")]
