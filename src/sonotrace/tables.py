"""Every column of every table that a stage writes: what it means and how it is read.

A column means the same in each table that has it. Boxes are in px, where pixel (row i, column j) covers
[j, j+1] x [i, i+1].
"""

import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sonotrace.errors import SonotraceError


@dataclass(frozen=True)
class Column:
    """A column: its meaning, and the type that it is read as."""

    meaning: str
    dtype: str = "str"
    """`str`, `int64` or `float64`; a number that is not known is NaN."""


COLUMNS = {
    "image": Column("image id: the name of the image file without its ending"),
    "file": Column("path below the folder of images; empty where the snapshot has a row but no image"),
    "sha256": Column("of the image file; empty without one"),
    "patient": Column("patient, by number or pseudonym (structures: subject); empty where unknown"),
    "source_image": Column(
        "image that this one is an augmented copy of, as the exporting tool names it; its own id if it was recovered"
    ),
    "width": Column("px; 0 where unknown", "int64"),
    "height": Column("px; 0 where unknown", "int64"),
    "label": Column("class of the whole image; empty where the data set has none"),
    "labelled_by": Column(
        "where in the snapshot the label is: `table:line` or a label file; `corrections.csv:` and the beginning of the "
        "image's sha256 for a label that a review corrected; empty without a label"
    ),
    "official_split": Column("train, val or test, where the snapshot says so"),
    "scanner": Column("make and model, where the snapshot says so"),
    "site": Column("where it was taken, where the label table says so"),
    "mm_per_px_x": Column("width of a pixel, mm, where the snapshot says so"),
    "mm_per_px_y": Column("height of a pixel, mm, where the snapshot says so"),
    "refused": Column("why the row could not be taken in, as `reason: detail`, else empty"),
    "side": Column("train, val or test; all images of a patient are on one side"),
    "structure": Column("name of the structure in the box"),
    "x0": Column("left edge, px", "float64"),
    "y0": Column("upper edge, px", "float64"),
    "x1": Column("right edge, px", "float64"),
    "y1": Column("lower edge, px", "float64"),
    "confidence": Column("of a predicted box, 0 to 1", "float64"),
    "reason": Column("why a row is in quarantine, in a few words that repeat"),
    "detail": Column("what is wrong with this row"),
    "brightness": Column("mean grey level, 0 to 255", "float64"),
    "sharpness": Column("Brenner's gradient, squared grey levels", "float64"),
    "colour": Column("share of the pixels that is coloured, 0 to 1", "float64"),
    "black": Column("share of the pixels that is black, 0 to 1", "float64"),
    "distance": Column("of the histogram from the median of all, 0 to 1", "float64"),
    "turn": Column("by how many degrees a copy is turned against its source, counter-clockwise", "float64"),
    "own_turn": Column("by how many degrees what is in the box was turned by itself before", "float64"),
    "residual": Column("largest distance of an exported edge from the one that the fit predicts, px", "float64"),
    "grown": Column("area of the exported box against the recovered one", "float64"),
    "copy": Column("id of an augmented copy: IMAGE/NUMBER, from 1"),
    "data_set": Column("the data set that the image is from, or `generated`"),
    "predicted": Column("the class that the model gives the highest probability; a column per class holds them all"),
    "change": Column("what was done to the prepared image before the model was asked (images/overlays.py)"),
    "scope": Column(
        "how far the image is beyond the limit of the model, below 0 within it; empty without one", "float64"
    ),
    "in_scope": Column("true, or false where the image is too unlike the training images to be given a class"),
}

IMAGE_COLUMNS = (
    *("image", "file", "sha256", "patient", "source_image", "width", "height", "label", "labelled_by"),
    *("official_split", "scanner", "site", "mm_per_px_x", "mm_per_px_y", "refused"),
)
"""Of `manifest.csv`: one row per row or image of the snapshot. `accepted.csv` and `out_of_scope.csv` have them too."""
SPLIT_COLUMNS = (*IMAGE_COLUMNS, "side")
CORNERS = ["x0", "y0", "x1", "y1"]
BOX_COLUMNS = ("image", "file", "structure", *CORNERS)
"""Of `boxes.csv` as pulled, one row per box: a snapshot may use an image id twice."""
USED_BOX_COLUMNS = ("image", "structure", *CORNERS)
"""Of `boxes.csv` from validate on."""
QUARANTINE_COLUMNS = ("image", "file", "labelled_by", "reason", "detail")
STATISTICS_COLUMNS = ("image", "file", "brightness", "sharpness", "colour", "black", "distance")
COPY_COLUMNS = ("copy", "image")
FIT_COLUMNS = ("image", "file", "structure", "turn", "own_turn", "residual", "grown")
"""Of the boxes of copies that a source was recovered from; `file` is the copy's."""
FOUND_BOX_COLUMNS = ("image", "structure", "confidence", *CORNERS)
"""Of the predictions of a structure detector."""
PLANE_PREDICTION_COLUMNS = ("image", "patient", "label", "predicted", "scope", "in_scope")
"""Of the predictions of a plane classifier, beside one column per plane."""
CHANGED_COLUMNS = ("image", "patient", "label", "change", "predicted")
"""Of what a plane classifier says of changed images: one row per change and image."""
REVIEWED = "left out in a review"
"""The reason, in quarantine, of an image that a person decided not to use (`labels.corrections`)."""
NOT_STATED = "not stated"
"""The group of images whose scanner or site the snapshot does not state."""
SIDES = ("train", "val", "test")


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
    """Read a CSV table, columns as COLUMNS says and unknown ones as text; raises ValueError where it is none."""
    table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    known = {name: COLUMNS[name].dtype for name in table.columns if name in COLUMNS}
    types = {name: dtype for name, dtype in known.items() if dtype != "str"}
    fractional = [name for name, dtype in types.items() if dtype == "float64"]
    return table.replace({name: {"": "nan"} for name in fractional}).astype(types)


def is_recovered(table: pd.DataFrame) -> pd.Series:
    """Say of each image whether it was recovered from its copies: it has the name of its source (`recovered`)."""
    return table["image"] == table["source_image"]


def image_table(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Make the image table from rows, sorted by image id and file."""
    table = pd.DataFrame(rows, columns=list(IMAGE_COLUMNS))
    return table.sort_values(["image", "file", "labelled_by"], kind="stable", ignore_index=True)


def box_table(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Make the box table from rows, in the order of images, boxes as listed in each."""
    table = pd.DataFrame(rows, columns=list(BOX_COLUMNS)).astype(dict.fromkeys(CORNERS, "float64"))
    return table.sort_values(["image", "file"], kind="stable", ignore_index=True)
