"""Read images that are out of scope, labelled by a table or by the folders that they are in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.labels import planes
from sonotrace.labels.listing import Listed, Listing, image_id, images_below


def read_snapshot(folder: Path, settings: Mapping[str, Any], data_set: str) -> Listing:
    """List the images in `folder` and below with their labels, which may be any text.

    They are in the label table, a CSV as for planes (`labels.planes`), where one of the name `settings["table"]` is
    there. Otherwise the folder of an image is its label: `hip` for `hip/standard_0.png`. Raises SonotraceError for
    an image that is in no folder.
    """
    if any(planes.tables_below(folder, settings["table"])):
        return planes.read_snapshot(folder, settings, data_set)
    files = images_below(folder)
    for file in files:
        if file.parent == folder:
            raise SonotraceError(
                f"{file}: in no folder that says what it is, and no label table {settings['table']}; put it into one "
                f"such as {folder / 'cervix'}, or name the table in pull.{data_set}.incoming.table"
            )
    return Listing([_by_folder(file, file.relative_to(folder)) for file in files], frozenset())


def _by_folder(file: Path, where: Path) -> Listed:
    label = where.parent.name
    return Listed(image=image_id(file.name), file=file, label=label, labelled_by=where.parent.as_posix())
