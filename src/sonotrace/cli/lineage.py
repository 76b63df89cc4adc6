"""Say where a file came from."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from sonotrace.errors import SonotraceError


def lineage(
    file: Annotated[Path | None, typer.Argument(help="Any file, from anywhere; its bytes tell what it is.")] = None,
    patient: Annotated[str | None, typer.Option(help="Where this patient stood, and which models know them.")] = None,
    image: Annotated[str | None, typer.Option(help="The same for an image id.")] = None,
    images: Annotated[
        bool, typer.Option("--images", "--patients", help="List what it was trained, tuned and tested on.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Hash every link again that is present.")] = False,
    blobs: Annotated[
        bool, typer.Option("--blobs", help="With --patient: md5 and path of each of their image files.")
    ] = False,
    repo: Annotated[Path, typer.Option(help="A clone of the project, if not this folder.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """Say which commits, parameters, code, data and patients a file came from."""
    from sonotrace.lineage import show, trace

    if sum(given is not None for given in (file, patient, image)) != 1:
        raise SonotraceError("lineage: needs one of FILE, --patient ID and --image ID; `sonotrace lineage --help`")
    if patient is not None and blobs:
        found_blobs, unseen = trace.blobs_of(patient, repo)
        for md5, path in found_blobs.items():
            print(md5, path)
        for table in unseen:
            print(f"error: {table}: not in this clone, so files of that snapshot are not listed", file=sys.stderr)
        raise typer.Exit(1 if unseen else 0)
    if file is not None:
        found = trace.of_file(file, repo, images, verify)
        lines = show.file_lines(found)
    else:
        found = trace.of_person("patient" if patient else "image", patient or image or "", repo)
        lines = show.person_lines(found)
    print(json.dumps(found, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))
    if file is None and not found["held"] and found["unseen"]:
        raise typer.Exit(1)
    if file is not None:
        states = [state for origin in found["origins"] for state in origin.get("verified", {}).values()]
        if not found["origins"] or "altered" in states:
            raise typer.Exit(1)
