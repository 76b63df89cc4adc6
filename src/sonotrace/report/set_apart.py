"""What the quarantine shows: of each reason a few rows, with pictures where the image can be read."""

from pathlib import Path

import pandas as pd

from sonotrace.report import pictures
from sonotrace.report.gathered import SetApart
from sonotrace.report.naming import code

OF_A_REASON = 8
"""Rows that are shown; all are counted."""
NAMELESS = ("unreadable image",)
"""Reasons whose details name no image and no patient; other details may."""


def shown(quarantine: pd.DataFrame, manifest: pd.DataFrame, images: Path, with_names: bool) -> list[SetApart]:
    """Return the first rows of each reason of `quarantine.csv`, by reason, image and file.

    `images` is the folder of images as they were pulled.
    """
    hashes = dict(zip(manifest["file"], manifest["sha256"], strict=True))
    ordered = quarantine.sort_values(["reason", "image", "file"], kind="stable")
    return [
        SetApart(
            code=code(hashes.get(row["file"], "")),
            name=(row["file"] or row["image"]) if with_names else "",
            reason=row["reason"],
            detail=row["detail"] if with_names or row["reason"] in NAMELESS else "",
            picture=pictures.of_file(images / row["file"]) if row["file"] else "",
        )
        for row in ordered.groupby("reason").head(OF_A_REASON).to_dict("records")
    ]
