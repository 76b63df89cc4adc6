"""The two tables that lead from an image back to where it came from: images and boxes.

Image table, one row per row or image of the snapshot:

| column | meaning |
| --- | --- |
| image | image id: the file name without ending |
| file | path below the stage's `images` folder; empty where the snapshot has a row but no image |
| sha256 | of the file's bytes; empty without a file |
| patient | patient (structures: subject), read from the image id; empty where it cannot be read |
| source_image | image that this one is an augmented copy of, as the exporting tool names it |
| width, height | px; 0 where the header cannot be read |
| label | plane as the snapshot writes it; empty for structures |
| labelled_by | where the label stands: `table:line` or a label file; empty where there is none |
| official_split | `train`, `val` or `test` where the snapshot says so, else empty |
| scanner | make and model where the snapshot says so, else empty |
| site | where it was taken, where the label table says so, else empty |
| mm_per_px_x, mm_per_px_y | size of a pixel, mm, where the snapshot says so, else empty |
| refused | why pull could not take it in, as `reason: detail`, else empty |

Box table, one row per box: `image`, `file` (a snapshot may use an id twice), `structure` (name),
and `x0, y0, x1, y1` in px of the image, where pixel (i, j) covers [j, j+1] x [i, i+1].
"""

import io
from pathlib import Path

import pandas as pd

from sonotrace.errors import SonotraceError

IMAGE_COLUMNS = (
    "image",
    "file",
    "sha256",
    "patient",
    "source_image",
    "width",
    "height",
    "label",
    "labelled_by",
    "official_split",
    "scanner",
    "site",
    "mm_per_px_x",
    "mm_per_px_y",
    "refused",
)
BOX_COLUMNS = ("image", "file", "structure", "x0", "y0", "x1", "y1")
SIDES = ("train", "val", "test")
"""What a patient may be used for, each for one only."""
CORNERS = ["x0", "y0", "x1", "y1"]
FLOATS = (*CORNERS, "confidence", "brightness", "sharpness")
NUMERIC = {"width": "int64", "height": "int64"} | dict.fromkeys(FLOATS, "float64")


def read_table(path: Path) -> pd.DataFrame:
    """Read a table that a stage wrote (`parse_table`).

    Raises SonotraceError where the file is missing or is not such a table.
    """
    try:
        return parse_table(path.read_bytes())
    except FileNotFoundError:
        raise SonotraceError(f"{path}: not there; run `dvc repro` to make it") from None
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise SonotraceError(
            f"{path}: not a table this stage can read ({reason}); remove it and run `dvc repro`"
        ) from None


def parse_table(content: bytes) -> pd.DataFrame:
    """Read a CSV table: what NUMERIC names as numbers, all else as text; raises ValueError where it is none."""
    table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    types = {name: kind for name, kind in NUMERIC.items() if name in table.columns}
    return table.replace({name: {"": "nan"} for name in FLOATS if name in types}).astype(types)


def image_table(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Make the image table from rows, sorted by image id and file."""
    table = pd.DataFrame(rows, columns=list(IMAGE_COLUMNS))
    return table.sort_values(["image", "file", "labelled_by"], kind="stable", ignore_index=True)


def box_table(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Make the box table from rows, in the order of images, boxes as listed in each."""
    table = pd.DataFrame(rows, columns=list(BOX_COLUMNS)).astype(dict.fromkeys(CORNERS, "float64"))
    return table.sort_values(["image", "file"], kind="stable", ignore_index=True)
