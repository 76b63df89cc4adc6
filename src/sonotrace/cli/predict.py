"""Name the plane of each image and find the brain structures in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonotrace.cli.options import MODELS, HashFiles, OnnxFolder, Repository, SignersKey, UseUnknown
from sonotrace.errors import SonotraceError

if TYPE_CHECKING:
    from sonotrace.predict.search import Frames

_OUTPUT = "Output"


def predict(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Image or DICOM files, folders, zips; - reads paths, one a line.", show_default=False),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.", rich_help_panel=_OUTPUT)] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="CSV, one row per structure found or image.", rich_help_panel=_OUTPUT)
    ] = False,
    sort_into: Annotated[
        Path | None,
        typer.Option(
            help="Copy each image into a folder here named after its plane, or into uncertain/ or none/.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    draw: Annotated[Path | None, typer.Option(help="Write images with boxes here.", rich_help_panel=_OUTPUT)] = None,
    sr: Annotated[
        Path | None,
        typer.Option(help="Write a DICOM structured report of each DICOM file here.", rich_help_panel=_OUTPUT),
    ] = None,
    frames: Annotated[str, typer.Option(help="Of DICOM clips: middle, all, or a number from 1.")] = "middle",
    confidence: Annotated[
        float | None, typer.Option(min=0.001, max=1, help="Least confidence of a structure, if not the model's.")
    ] = None,
    in_all_planes: Annotated[
        bool, typer.Option("--in-all-planes", help="Look for structures in every image, not only in brain planes.")
    ] = False,
    all_boxes: Annotated[
        bool, typer.Option("--all-boxes", help="Keep every box, even more than a head can have.")
    ] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, max=256, help="CPU threads; as many as cores if not given.")
    ] = None,
    models: OnnxFolder = None,
    planes_model: Annotated[Path | None, typer.Option(help="This classifier instead.", rich_help_panel=MODELS)] = None,
    structures_model: Annotated[
        Path | None, typer.Option(help="This detector instead.", rich_help_panel=MODELS)
    ] = None,
    repo: Repository = Path(),
    hashes: HashFiles = None,
    key: SignersKey = None,
    allow_unknown: UseUnknown = False,
) -> None:
    """Name the plane of each image and find the brain structures in it."""
    from sonotrace.predict import command
    from sonotrace.predict.search import Search, crops_of
    from sonotrace.predict.trust import Trust

    if as_json and as_csv:
        raise SonotraceError("predict: --json and --csv: give one of them")
    which = _frames(frames)
    chosen = command.choose(models or repo / "models", planes_model, structures_model)
    trust = Trust(repo, hashes or (), key, allow_unknown)
    search = Search(confidence, in_all_planes, all_boxes, which, crops_of(repo))
    outputs = command.Outputs("json" if as_json else "csv" if as_csv else "text", sort_into, draw, sr)
    if not command.run(paths, chosen, trust, search, outputs, threads):
        raise typer.Exit(1)


def _frames(text: str) -> "Frames":
    if text == "middle":
        return "middle"
    if text == "all":
        return "all"
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise SonotraceError(f"--frames {text}: not middle, all or a number from 1")
