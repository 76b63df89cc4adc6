"""Check boxes against their image and the structures that are known, and cut them to the image."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from sonotrace.tables import CORNERS, USED_BOX_COLUMNS

TOLERANCE = 1.0
"""Boxes may reach this many px beyond the image, as rounding makes them; they are cut to it."""


def faults(
    boxes: pd.DataFrame, manifest: pd.DataFrame, structures: Collection[str]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return (image, file) -> (reason, detail) for images with a box that cannot be used.

    The whole image is set apart: without one of its boxes it would teach that nothing is there.
    """
    sizes = manifest.drop_duplicates(["image", "file"])[["image", "file", "width", "height"]]
    table = boxes.merge(sizes, on=["image", "file"], how="left")
    width, height = table["width"] + TOLERANCE, table["height"] + TOLERANCE
    unreadable = table[CORNERS].isna().any(axis=1)
    unknown = ~table["structure"].isin(structures)
    empty = (table["x1"] - table["x0"] <= 0) | (table["y1"] - table["y0"] <= 0)
    outside = (table[["x0", "y0"]] < -TOLERANCE).any(axis=1) | (table["x1"] > width) | (table["y1"] > height)
    for low, high, size in (("x0", "x1", "width"), ("y0", "y1", "height")):
        outside |= np.minimum(table[high], table[size]) <= np.maximum(table[low], 0)  # nothing is left once cut
    kinds = np.select(
        [unreadable, unknown, empty, outside],
        ["unreadable box", "box of unknown class", "box of zero size", "box outside the image"],
        default="",
    )
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for row, fault in zip(table.itertuples(index=False), kinds, strict=True):
        if fault:
            corners = ", ".join(f"{value:g}" for value in (row.x0, row.y0, row.x1, row.y1))
            known = f"; known: {', '.join(structures)}" if "class" in fault else ""
            found.setdefault((row.image, row.file), (str(fault), f"{row.structure} [{corners}] px{known}"))
    return found


def cut_boxes(boxes: pd.DataFrame, accepted: pd.DataFrame) -> pd.DataFrame:
    """Return the boxes of accepted images, cut to their image."""
    sized = boxes.merge(accepted[["image", "file", "width", "height"]], on=["image", "file"])
    for low, high, size in (("x0", "x1", "width"), ("y0", "y1", "height")):
        sized[[low, high]] = sized[[low, high]].clip(lower=0).clip(upper=sized[size], axis=0)
    return sized[list(USED_BOX_COLUMNS)]
