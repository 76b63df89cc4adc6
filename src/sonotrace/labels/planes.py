"""Read labelled planes: from a label table, or from folders named after planes."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.kinds.planes import OUT_OF_SCOPE, PLANES, plane_of
from sonotrace.labels.listing import Listed, Listing, image_id, images_below, side_called, side_of, source_of

COLUMNS = ("Image_name", "Plane", "Patient", "Train", "US_Machine", "Site")
"""The columns that are read, in upper or lower case; the first two are needed."""

_ALSO_CALLED = {"center": "Site"}
"""Other names of these columns: the table of the African cohort (Zenodo record 7540448) has `Center`."""


@dataclass(frozen=True)
class _Place:
    """Where the labels are looked for."""

    folder: Path
    table: str
    """The name of the label table."""
    parameter: str
    """The parameter that sets it."""


def read_snapshot(folder: Path, settings: Mapping[str, Any], data_set: str) -> Listing:
    """List the labelled planes in `folder`: by its label table or, where there is none, by folder names.

    The table, `settings["table"]`, is a CSV with the columns `Image_name` and `Plane`, separated by
    commas or semicolons. The columns `Train` (1: train, 0: test, or in words) and `US_Machine`, as in
    the table of FETAL_PLANES_DB (Burgos-Artizzu et al. 2020), `Site` or `Center`, and `Patient` are used
    if they are there; `Patient_num` is not, since its numbers can start anew at each centre. Rows without
    an image have no file, images without a row have no `labelled_by`. Rows come with `refused` where
    their image or patient is left empty, or their side is none.

    Where no file below has the table's name, every image must lie in a folder that names its plane, such
    as `Fetal brain`, perhaps below `train`, `valid`, `val` or `test`, as in Roboflow's folder export.
    """
    place = _Place(folder, settings.get("table", "image_label.csv"), f"pull.{data_set}.incoming.table")
    files = images_below(folder)
    if not any(tables_below(folder, place.table)):
        in_planes = [path for path in files if path.parent != folder and plane_of(path.parent.name)]
        if in_planes:
            _check_folders(place, files, in_planes)
            return Listing([_by_folder(path, path.relative_to(folder)) for path in in_planes], frozenset())
    path = _find(place)
    return Listing(_by_table(path, _rows(path, place), files), frozenset({path}))


def _by_table(table: Path, rows: list[tuple[int, dict[str, str]]], files: list[Path]) -> list[Listed]:
    images: dict[str, list[Path | None]] = {}
    for path in files:
        images.setdefault(image_id(path.name), []).append(path)
    listed: list[Listed] = []
    named = set()
    for line, row in rows:
        image = image_id(row["Image_name"])
        named.add(image)
        listed.extend(
            Listed(
                image=image,
                file=file,
                label=row["Plane"],
                patient=row.get("Patient", ""),
                labelled_by=f"{table.name}:{line}",
                official_split=_side(row.get("Train", "")) or "",
                scanner=row.get("US_Machine", ""),
                site=row.get("Site", ""),
                refused=_fault(row),
            )
            for file in images.get(image, [None])
        )
    for image in images.keys() - named:
        listed.extend(Listed(image=image, file=file) for file in images[image])
    return listed


def _fault(row: Mapping[str, str]) -> str:
    """Say why a row cannot be used, as `reason: detail`; nothing where it can."""
    if not row["Image_name"]:
        return "row without image name: Image_name is empty; fill it in, or delete the row"
    if row.get("Patient") == "":
        return (
            "unreadable patient: the column Patient is empty here; fill it in, "
            "or delete the column if file names tell the patient"
        )
    if _side(row.get("Train", "")) is None:
        return (
            f"unknown official side: Train is {row['Train']!r}; use 1 or train, 0 or test, or val, "
            "or leave it empty where there is none"
        )
    return ""


def _side(stated: str) -> str | None:
    """Return the side that a value of the column `Train` means, nothing for an empty one, None for others."""
    if not stated or side_called(stated):
        return side_called(stated)
    if stated.lower() in {"true", "false"}:
        return "train" if stated.lower() == "true" else "test"
    try:  # a table that went through pandas or Excel may have 1.0 or 1,0
        return {1.0: "train", 0.0: "test"}.get(float(stated.replace(",", ".")))
    except ValueError:
        return None


def _by_folder(file: Path, where: Path) -> Listed:
    return Listed(
        image=image_id(file.name),
        file=file,
        label=where.parent.name,
        labelled_by=where.parent.as_posix(),
        official_split=side_of(where),
        source_image=source_of(image_id(file.name)),
    )


def _check_folders(place: _Place, files: list[Path], in_planes: list[Path]) -> None:
    """Refuse to guess where not all images lie in folders of planes, or a label table has another name."""
    folder, table = place.folder, place.table
    stray = sorted(set(files) - set(in_planes))
    if stray:
        raise SonotraceError(
            f"{folder}: no label table {table}, and {stray[0].relative_to(folder)} is in no folder named after a plane "
            f"({', '.join(PLANES + OUT_OF_SCOPE)}) though others are; sort all images, or name the table in "
            f"{place.parameter}"
        )
    tables = [path.name for path in sorted(folder.rglob("*.csv")) if path.is_file() and is_label_table(path)]
    if tables:
        raise SonotraceError(
            f"{folder}: no label table {table}, but {tables[0]} and folders named after planes; "
            f"set {place.parameter}: {tables[0]}, or remove it to label by folder"
        )


def tables_below(folder: Path, name: str) -> Iterator[Path]:
    """Yield the files, not folders, of this name in `folder` and below."""
    return (path for path in folder.rglob("*") if path.name == name and path.is_file())


def is_label_table(path: Path) -> bool:
    """Tell whether the first line of a CSV names the columns of a label table."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        names = {name.strip() for name in re.split("[,;]", lines.readline())}
    return {"Image_name", "Plane"} <= names


def _find(place: _Place) -> Path:
    """Return where the table is: in the folder, or in the one folder below that has it."""
    folder, table = place.folder, place.table
    found = list(tables_below(folder, table))
    if len(found) > 1 and folder / table not in found:
        raise SonotraceError(f"{folder}: {len(found)} files {table} below it; keep one, or put one in it")
    return found[0] if len(found) == 1 else folder / table


def _rows(path: Path, place: _Place) -> list[tuple[int, dict[str, str]]]:
    """Read the label table: line numbers and rows, without blank ones, names and values stripped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        found = ", ".join(sorted(other.name for other in path.parent.glob("*.csv"))) or "no .csv file"
        raise SonotraceError(
            f"{path}: no such label table, and no image in a folder named after a plane "
            f"({', '.join(PLANES + OUT_OF_SCOPE)}); {place.parameter} must name one of: {found}"
        ) from None
    except UnicodeDecodeError as error:
        raise SonotraceError(f"{path}: byte {error.start} is not UTF-8; save the table as UTF-8") from None
    try:
        return _parsed(path, text.splitlines())
    except csv.Error as error:
        raise SonotraceError(f"{path}: not a CSV table ({error}); check its quotes, and save it again") from None


def _parsed(path: Path, lines: list[str]) -> list[tuple[int, dict[str, str]]]:
    separator = ";" if lines and ";" in lines[0] else ","
    reader = csv.DictReader(lines, delimiter=separator, restkey="", restval="")
    known = {name.lower(): name for name in COLUMNS} | _ALSO_CALLED
    names = [known.get(name.strip().lower(), name.strip()) for name in reader.fieldnames or []]
    reader.fieldnames = names
    for name in COLUMNS:
        if names.count(name) > 1:
            raise SonotraceError(f"{path}: {names.count(name)} columns are called {name}; keep one")
    for needed in COLUMNS[:2]:
        if needed not in names:
            raise SonotraceError(
                f"{path}: no column {needed} among {', '.join(names) or 'none'}; "
                "the table needs Image_name and Plane, separated by , or ;"
            )
    rows = []
    for row in reader:
        values = {name: value.strip() for name, value in row.items() if isinstance(value, str)}
        if any(values.values()):  # Excel saves emptied rows as separators alone
            rows.append((reader.line_num, values))
    return rows
