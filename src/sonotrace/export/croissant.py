"""Croissant: a description of each data snapshot, for tools that find and load data sets.

Croissant 1.0 with its RAI terms (https://docs.mlcommons.org/croissant), written and validated by
mlcroissant. Tables and the folder of images are described, with counts and checksums; images and
patients are not listed, since an image's name can hold its patient's number, and no data is copied.
"""

import csv
import json
import logging
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.export import record
from sonotrace.export.record import Record
from sonotrace.kinds.kind import Kind
from sonotrace.places import folder
from sonotrace.running.outputs import building, write_json

VERSIONS = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
FORMATS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".bmp": "image/bmp",
}
IMAGE_FIELDS = {
    "image": ("TEXT", "image id"),
    "file": ("TEXT", "path below the folder of images; empty where the snapshot has a row but no image"),
    "sha256": ("TEXT", "of the image file"),
    "patient": ("TEXT", "patient, by number or pseudonym; empty where unknown"),
    "source_image": ("TEXT", "image that this one is an augmented copy of, as the exporting tool names it"),
    "width": ("INTEGER", "px; 0 where unknown"),
    "height": ("INTEGER", "px; 0 where unknown"),
    "label": ("TEXT", "class as the snapshot writes it; empty where its labels are boxes"),
    "labelled_by": ("TEXT", "where in the snapshot the label is"),
    "official_split": ("TEXT", "train, val or test, where the snapshot says so"),
    "scanner": ("TEXT", "make and model, where the snapshot says so"),
    "site": ("TEXT", "where it was taken, where the label table says so"),
    "mm_per_px_x": ("TEXT", "width of a pixel, mm, where the snapshot says so"),
    "mm_per_px_y": ("TEXT", "height of a pixel, mm, where the snapshot says so"),
    "refused": ("TEXT", "why the row could not be taken in, else empty"),
}
SPLIT_FIELDS = IMAGE_FIELDS | {"side": ("TEXT", "train, val or test; no patient is in more than one")}
BOX_FIELDS = {
    "image": ("TEXT", "image id"),
    "file": ("TEXT", "path below the folder of images"),
    "structure": ("TEXT", "name of the structure in the box"),
    "x0": ("FLOAT", "left edge, px"),
    "y0": ("FLOAT", "upper edge, px"),
    "x1": ("FLOAT", "right edge, px"),
    "y1": ("FLOAT", "lower edge, px"),
}


def write(top: Path, out: Path) -> None:
    """Write a description of each snapshot of the run checked out in `top` into the new folder `out`.

    Raises SonotraceError where the workspace is not as recorded or `out` is there already.
    """
    record.require_new(out)
    run = record.read(top, lambda data_set, kind: [*_tables(data_set, kind), _images(data_set)])
    with building(out) as made:
        made.mkdir()
        for data_set in run.data_sets:
            content = document(run, data_set)
            _validate(content, out / f"{data_set}.json")
            write_json(content, made / f"{data_set}.json")


def document(run: Record, data_set: str) -> dict[str, Any]:
    """Return the description of a snapshot as JSON-LD."""
    import mlcroissant as mlc

    snapshot = run.snapshot(data_set)
    ctx = mlc.Context(conforms_to=VERSIONS[0])
    logging.getLogger("absl").setLevel(logging.ERROR)  # what is recommended, and nobody stated, it says on every call
    tables = _tables(data_set, run.kind(data_set))
    resources: list[Any] = []
    for path, (name, what, _) in tables.items():
        file = run.file(path)
        resources.append(
            mlc.FileObject(
                ctx=ctx,
                id=f"{name}.csv",
                name=f"{name}.csv",
                description=what,
                content_url=path,
                content_size=f"{file.size} B",
                encoding_formats=["text/csv"],
                sha256=file.sha256,
            )
        )
    endings = _endings(run.top / folder(data_set, "pull") / "manifest.csv")
    resources.append(
        mlc.FileSet(
            ctx=ctx,
            id="images",
            name="images",
            description=f"{snapshot['images']} images; fingerprint of the snapshot: {snapshot['fingerprint']}",
            encoding_formats=sorted({FORMATS[ending.lower()] for ending in endings}),
            includes=[f"{_images(data_set)}/**/*{ending}" for ending in endings],
        )
    )
    metadata = mlc.Metadata(
        ctx=ctx,
        name=f"sonotrace-{data_set}",
        description=_description(run, data_set),
        conforms_to=VERSIONS,
        date_published=run.date,
        license=[snapshot["licence"]] if snapshot["licence"] else None,
        distribution=resources,
        record_sets=[_records(ctx, name, what, fields) for name, what, fields in tables.values()],
        data_preprocessing_protocol=_stated(snapshot["preprocessing"]),
        data_manipulation_protocol="; ".join(_stated(snapshot["augmentation"])) or None,
        personal_sensitive_information=[
            "The tables name a patient for each image, by number or pseudonym, and image ids can hold that number.",
        ],
    )
    content: dict[str, Any] = json.loads(json.dumps(metadata.to_json(), default=str))
    return content


def _images(data_set: str) -> str:
    return f"{folder(data_set, 'pull')}/images"


def _tables(data_set: str, kind: Kind) -> dict[str, tuple[str, str, Mapping[str, tuple[str, str]]]]:
    """Return path -> name, what a row is, and columns, of the tables that describe a snapshot."""
    pull, split = folder(data_set, "pull"), folder(data_set, "split")
    tables: dict[str, tuple[str, str, Mapping[str, tuple[str, str]]]] = {
        f"{pull}/manifest.csv": ("manifest", "one row per row or image of the snapshot, as it came", IMAGE_FIELDS),
        f"{split}/split.csv": ("split", "the rows that were used, with their side", SPLIT_FIELDS),
    }
    if kind.has_boxes:
        tables[f"{pull}/boxes.csv"] = ("boxes", "one row per box, in px of the image as it came", BOX_FIELDS)
    return tables


def _records(ctx: Any, name: str, what: str, fields: Mapping[str, tuple[str, str]]) -> Any:
    import mlcroissant as mlc

    return mlc.RecordSet(
        ctx=ctx,
        id=name,
        name=name,
        description=what,
        fields=[
            mlc.Field(
                ctx=ctx,
                id=f"{name}/{column}",
                name=column,
                description=meaning,
                data_types=[getattr(mlc.DataType, kind)],
                source=mlc.Source(ctx=ctx, file_object=f"{name}.csv", extract=mlc.Extract(ctx=ctx, column=column)),
            )
            for column, (kind, meaning) in fields.items()
        ],
    )


def _endings(manifest: Path) -> list[str]:
    """Return the endings of the image files, sorted."""
    with manifest.open(encoding="utf-8", newline="") as stream:
        return sorted({PurePosixPath(row["file"]).suffix for row in csv.DictReader(stream) if row["file"]})


def _description(run: Record, data_set: str) -> str:
    snapshot, sides = run.snapshot(data_set), run.sides(data_set)
    version = f", version {snapshot['version']}" if snapshot["version"] else ""
    counts = (f"{side}: " + ", ".join(f"{count} {name}" for name, count in sides[side].items()) for side in sides)
    return (
        f"Fetal ultrasound, data set {data_set}, from the source {snapshot['source']}{version}, as pulled at commit "
        f"{run.commit.id}; paths are those of a checkout. {'; '.join(counts)}."
    )


def _stated(facts: Mapping[str, Any]) -> list[str]:
    return [f"{key}: {json.dumps(value)}" for key, value in facts.items()]


def _validate(content: dict[str, Any], path: Path) -> None:
    import mlcroissant as mlc

    try:
        mlc.Dataset(jsonld=content)
    except mlc.ValidationError as error:
        raise SonotraceError(
            f"{path}: would not be Croissant ({' '.join(str(error).split())[:200]}); report it"
        ) from None
