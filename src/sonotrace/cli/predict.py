"""Name the plane of each image and find the brain structures in it."""

from pathlib import Path
from typing import Annotated

import typer

from sonotrace.cli.options import AllowUnknown, Repository


def predict(
    paths: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    sort_into: Annotated[
        Path | None,
        typer.Option(help="Copy each image into a folder here named after its predicted plane, or into none/."),
    ] = None,
    draw: Annotated[Path | None, typer.Option(help="Write images with boxes here.")] = None,
    confidence: Annotated[float, typer.Option(min=0.001, max=1, help="Least confidence of a structure.")] = 0.25,
    in_all_planes: Annotated[
        bool, typer.Option("--in-all-planes", help="Look for structures in every image, not only in brain planes.")
    ] = False,
    all_boxes: Annotated[
        bool, typer.Option("--all-boxes", help="Keep more boxes of a structure than a head has of it.")
    ] = False,
    planes_model: Annotated[Path | None, typer.Option(help="A model of train_cnn, if not the checkout's.")] = None,
    structures_model: Annotated[Path | None, typer.Option(help="A model of train_yolo, if not the checkout's.")] = None,
    repo: Repository = Path(),
    allow_unknown: AllowUnknown = False,
) -> None:
    """Name the plane of each image and find the brain structures in it."""
    from sonotrace.predict import command
    from sonotrace.predict.prediction import Search

    chosen = command.choose(planes_model, structures_model, repo)
    search = Search(confidence, in_all_planes, all_boxes)
    outputs = command.Outputs(as_json, sort_into, draw)
    if not command.run(paths, chosen, repo, search, outputs, allow_unknown=allow_unknown):
        raise typer.Exit(1)
