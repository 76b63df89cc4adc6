"""Read labelled planes: from a label table, or from folders named after planes."""

import csv
import re
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.kinds.planes import OUT_OF_SCOPE, PLANES, plane_of
from sonotrace.labels.listing import Listed, image_id, images_below, side_of, source_of

_SIDES = {"1": "train", "0": "test"}


def read_snapshot(folder: Path, table: str) -> list[Listed]:
    """List the labelled planes in `folder`: by its label table or, where there is none, by folder names.

    `table` is a CSV with the columns `Image_name` and `Plane`, separated by commas or semicolons;
    `Train` (1: train, 0: test) and `US_Machine` are used where they stand, as in the official
    table of FETAL_PLANES_DB (Burgos-Artizzu et al. 2020), and so is `Site`. Rows without an image have no file,
    images without a row have no `labelled_by`.

    Where no file below has the table's name, every image must lie in a folder that names its plane, such
    as `Fetal brain`, perhaps below `train`, `valid`, `val` or `test`, as in Roboflow's folder export.
    """
    files = images_below(folder)
    if not any(path.name == table for path in folder.rglob("*")):
        in_planes = [path for path in files if path.parent != folder and plane_of(path.parent.name)]
        if in_planes:
            _check_folders(folder, table, files, in_planes)
            return [_by_folder(path, path.relative_to(folder)) for path in in_planes]
    images: dict[str, list[Path | None]] = {}
    for path in files:
        images.setdefault(image_id(path.name), []).append(path)
    listed: list[Listed] = []
    named = set()
    for line, row in _rows(_find(folder, table)):
        image = image_id(row["Image_name"])
        named.add(image)
        listed.extend(
            Listed(
                image=image,
                file=file,
                label=row["Plane"],
                labelled_by=f"{table}:{line}",
                official_split=_SIDES.get(row.get("Train", ""), ""),
                scanner=row.get("US_Machine", ""),
                site=row.get("Site", ""),
            )
            for file in images.get(image, [None])
        )
    for image in images.keys() - named:
        listed.extend(Listed(image=image, file=file) for file in images[image])
    return listed


def _by_folder(file: Path, where: Path) -> Listed:
    return Listed(
        image=image_id(file.name),
        file=file,
        label=where.parent.name,
        labelled_by=where.parent.as_posix(),
        official_split=side_of(where),
        source_image=source_of(image_id(file.name)),
    )


def _check_folders(folder: Path, table: str, files: list[Path], in_planes: list[Path]) -> None:
    """Refuse to guess where not all images lie in folders of planes, or a label table has another name."""
    stray = sorted(set(files) - set(in_planes))
    if stray:
        raise SonotraceError(
            f"{folder}: no label table {table}, and {stray[0].relative_to(folder)} is in no folder named after a plane "
            f"({', '.join(PLANES + OUT_OF_SCOPE)}) though others are; sort all images, or name the table in "
            "pull.planes.incoming.table"
        )
    tables = [path.name for path in sorted(folder.rglob("*.csv")) if is_label_table(path)]
    if tables:
        raise SonotraceError(
            f"{folder}: no label table {table}, but {tables[0]} and folders named after planes; "
            f"set pull.planes.incoming.table: {tables[0]}, or remove it to label by folder"
        )


def is_label_table(path: Path) -> bool:
    """Tell whether the first line of a CSV names the columns of a label table."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        names = {name.strip() for name in re.split("[,;]", lines.readline())}
    return {"Image_name", "Plane"} <= names


def _find(folder: Path, table: str) -> Path:
    """Return where the table stands: in the folder, or in the one folder below that has it."""
    found = [path for path in folder.rglob("*") if path.name == table]
    if len(found) > 1 and folder / table not in found:
        raise SonotraceError(f"{folder}: {len(found)} files {table} below it; keep one, or put one in it")
    return found[0] if len(found) == 1 else folder / table


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read the label table: line numbers and rows, names and values stripped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        found = ", ".join(sorted(other.name for other in path.parent.glob("*.csv"))) or "no .csv file"
        raise SonotraceError(
            f"{path}: no such label table, and no image in a folder named after a plane "
            f"({', '.join(PLANES + OUT_OF_SCOPE)}); pull.planes.incoming.table must name one of: {found}"
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
