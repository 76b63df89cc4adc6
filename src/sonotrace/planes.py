"""Standard planes: their names, their order, and how a snapshot of labelled planes is read.

The names travel with every table, model and metric; an index has a meaning only beside `PLANES`.
"""

import csv
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.snapshot import Listed, images_below

PLANES = ("abdomen", "brain", "femur", "thorax")
"""The planes, in the order of the classifier's outputs."""

_SIDES = {"1": "train", "0": "test"}


def plane_of(label: str) -> str | None:
    """Return the plane that a label such as `Fetal brain` names, or None for any other label."""
    name = label.strip().lower().removeprefix("fetal ")
    return name if name in PLANES else None


def read_snapshot(folder: Path, table: str) -> list[Listed]:
    """List the rows of a label table together with the images in `folder`.

    `table` is a CSV with the columns `Image_name` and `Plane`, separated by commas or semicolons;
    `Train` (1: train, 0: test) and `US_Machine` are used where they stand, as in the official
    table of FETAL_PLANES_DB (Burgos-Artizzu et al. 2020). Rows without an image have no file,
    images without a row have no `labelled_by`.
    """
    images: dict[str, list[Path | None]] = {}
    for path in images_below(folder):
        images.setdefault(path.stem, []).append(path)
    listed: list[Listed] = []
    named = set()
    for line, row in _rows(_find(folder, table)):
        image = _without_ending(row["Image_name"])
        named.add(image)
        listed.extend(
            Listed(
                image=image,
                file=file,
                label=row["Plane"],
                labelled_by=f"{table}:{line}",
                official_split=_SIDES.get(row.get("Train", ""), ""),
                scanner=row.get("US_Machine", ""),
            )
            for file in images.get(image, [None])
        )
    for image in images.keys() - named:
        listed.extend(Listed(image=image, file=file) for file in images[image])
    return listed


def _find(folder: Path, table: str) -> Path:
    """Return where the table stands: in the folder, or in the one folder below that has it."""
    found = [path for path in folder.rglob("*") if path.name == table]
    return found[0] if len(found) == 1 else folder / table


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read the label table: line numbers and rows, names and values stripped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        found = ", ".join(sorted(other.name for other in path.parent.glob("*.csv"))) or "no .csv file"
        raise SonotraceError(
            f"{path}: no such label table; pull.planes.incoming.table must name one of: {found}"
        ) from None
    except UnicodeDecodeError as error:
        raise SonotraceError(f"{path}: byte {error.start} is not UTF-8; save the table as UTF-8") from None
    lines = text.splitlines()
    separator = ";" if lines and ";" in lines[0] else ","
    reader = csv.DictReader(lines, delimiter=separator, restkey="", restval="")
    names = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = names
    for needed in ("Image_name", "Plane"):
        if needed not in names:
            raise SonotraceError(
                f"{path}: no column {needed} among {', '.join(names) or 'none'}; "
                "the table needs Image_name and Plane, separated by , or ;"
            )
    return [
        (reader.line_num, {name: value.strip() for name, value in row.items() if isinstance(value, str)})
        for row in reader
    ]


def _without_ending(name: str) -> str:
    """Drop an image file's ending; names in the published tables have none."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and ending.lower() in {"png", "jpg", "jpeg"} else name
