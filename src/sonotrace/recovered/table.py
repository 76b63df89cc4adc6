"""Recover all sources of a data set that came as several copies; what was recovered before is taken over."""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sonotrace.images import grey
from sonotrace.images.boxes import area
from sonotrace.images.grey import encode_png, read_grey
from sonotrace.recovered import boxes as turned_boxes
from sonotrace.recovered import picture, registration, source
from sonotrace.recovered.picture import picture as picture_of
from sonotrace.recovered.source import Copy, Recovery, image_of, recover
from sonotrace.running.item_cache import ItemCache
from sonotrace.running.outputs import write_csv
from sonotrace.running.parallel import in_order
from sonotrace.running.progress import bar
from sonotrace.tables import BOX_COLUMNS, CORNERS, FIT_COLUMNS, QUARANTINE_COLUMNS

IMAGES, PICTURES, FITS = "images", "pictures", "fits.csv"
"""In the folder of what was recovered: images of sources, pictures of them, and how well each exported box fits."""


@dataclass(frozen=True)
class Recovered:
    """The accepted images and boxes after recovery, with one image per source instead of its copies."""

    accepted: pd.DataFrame
    boxes: pd.DataFrame
    apart: pd.DataFrame
    """Copies of sources that could not be recovered, as the quarantine has them."""
    summary: dict[str, object]
    """Counts and medians, for the data report."""


class _Source(NamedTuple):
    name: str
    rows: pd.DataFrame
    boxes: pd.DataFrame


def open_cache(top: Path | None = None) -> ItemCache:
    """Open what was recovered before."""
    modules = [grey, turned_boxes, picture, registration, source, sys.modules[__name__]]
    return ItemCache("recovered", modules, "", top)


def recover_sources(accepted: pd.DataFrame, boxes: pd.DataFrame, images: Path, into: Path) -> Recovered:
    """Replace the copies below `images` by their source, for each source that has several.

    Fills the empty folder `into` with IMAGES/<source>.png, PICTURES/<source>.jpg and FITS. An image of which there is
    one copy only is left as it is.
    """
    sources = _sources(accepted, boxes)
    for folder in (IMAGES, PICTURES):
        (into / folder).mkdir(parents=True)

    def one(chosen: _Source) -> dict[str, Any]:
        return _recover(chosen, images, into, cache)

    with open_cache() as cache, bar("recover", len(sources)) as advance:
        results = []
        for result in in_order(one, sources):
            results.append(result)
            advance(1)
    apart, rows, found, fits = [], [], [], []
    for chosen, result in zip(sources, results, strict=True):
        if "refused" in result:
            reason, _, detail = result["refused"].partition(": ")
            apart.append(chosen.rows[["image", "file", "labelled_by"]].assign(reason=reason, detail=detail))
            continue
        rows.append(_row(chosen, result, into))
        found += [(chosen.name, rows[-1]["file"], *box) for box in result["boxes"]]
        files = list(chosen.rows["file"])
        fits += [(chosen.name, files[at], *line) for at, *line in result["fits"]]
    table = pd.DataFrame(fits, columns=list(FIT_COLUMNS))
    write_csv(table, into / FITS)
    gone = {file for chosen in sources for file in chosen.rows["file"]}
    kept = pd.concat([accepted[~accepted["file"].isin(gone)], pd.DataFrame(rows, columns=accepted.columns)])
    new = pd.DataFrame(found, columns=list(BOX_COLUMNS))
    return Recovered(
        kept.astype(accepted.dtypes).sort_values(["image", "file"], kind="stable", ignore_index=True),
        pd.concat([boxes[~boxes["file"].isin(gone)], new]).sort_values(["image", "file"], kind="stable"),
        pd.concat(apart) if apart else pd.DataFrame(columns=list(QUARANTINE_COLUMNS), dtype=str),
        _summary(len(sources), len(gone), len(rows), table),
    )


def leave_copies(accepted: pd.DataFrame, boxes: pd.DataFrame, _: Path, into: Path) -> Recovered:
    """Leave a snapshot as it is; FITS in the empty folder `into` has no rows."""
    write_csv(pd.DataFrame(columns=list(FIT_COLUMNS)), into / FITS)
    return Recovered(accepted, boxes, pd.DataFrame(columns=list(QUARANTINE_COLUMNS), dtype=str), {})


def _sources(accepted: pd.DataFrame, boxes: pd.DataFrame) -> list[_Source]:
    copied = accepted[accepted["source_image"] != ""]
    groups = [(str(name), rows) for name, rows in copied.groupby(["source_image", "patient"], sort=True)]
    return [
        _Source(str(rows["source_image"].iloc[0]), rows.sort_values("file"), boxes[boxes["file"].isin(rows["file"])])
        for _, rows in groups
        if len(rows) > 1
    ]


def _recover(chosen: _Source, images: Path, into: Path, cache: ItemCache) -> dict[str, Any]:
    """Recover one source, and write its image and picture if it can be."""
    files = list(chosen.rows["file"])
    labels = [chosen.boxes[chosen.boxes["file"] == file] for file in files]
    item = " ".join([*chosen.rows["sha256"], *(rows[["structure", *CORNERS]].to_csv(index=False) for rows in labels)])
    made: list[tuple[list[Copy], Recovery | str]] = []

    def recovered() -> tuple[list[Copy], Recovery | str]:
        if not made:
            copies = [
                Copy(read_grey(images / file), list(rows["structure"]), rows[CORNERS].to_numpy(np.float64))
                for file, rows in zip(files, labels, strict=True)
            ]
            made.append((copies, recover(copies)))
        return made[0]

    def drawn(which: str) -> bytes:
        copies, found = recovered()
        if isinstance(found, str):  # the text says so, and no file is asked for
            raise TypeError(found)
        image = image_of(copies, found)
        return encode_png(image) if which == IMAGES else picture_of(copies, found, image)

    result: dict[str, Any] = json.loads(cache.text(item, lambda: json.dumps(_result(recovered()[1]))))
    if "refused" not in result:
        cache.file(f"{IMAGES} {item}", into / IMAGES / f"{chosen.name}.png", lambda: drawn(IMAGES))
        cache.file(f"{PICTURES} {item}", into / PICTURES / f"{chosen.name}.jpg", lambda: drawn(PICTURES))
    return result


def _result(found: Recovery | str) -> dict[str, Any]:
    """Return what the tables need, as JSON holds it: copies by their place."""
    if isinstance(found, str):
        return {"refused": found}
    boxes, fits = [], []
    for structure, one in zip(found.structures, found.fits, strict=True):
        boxes.append([structure, *one.box.round(3).tolist()])
        grown = area(one.exported) / area(one.box[None])
        for at in np.nonzero(np.isfinite(one.residuals))[0]:
            numbers = (found.turns[at], one.own_turns[at], one.residuals[at], grown[at])
            fits.append([int(at), structure, *(round(float(number), 3) for number in numbers)])
    return {"base": found.base, "boxes": boxes, "fits": fits}


def _row(chosen: _Source, result: dict[str, Any], into: Path) -> dict[str, Any]:
    """Return the row of a source: that of its base, under the name and with the bytes of the recovered image."""
    row: dict[str, Any] = chosen.rows.iloc[result["base"]].to_dict()
    file = f"{chosen.name}.png"
    content = (into / IMAGES / file).read_bytes()
    return row | {"image": chosen.name, "file": file, "sha256": hashlib.sha256(content).hexdigest()}


def _summary(sources: int, copies: int, recovered: int, fits: pd.DataFrame) -> dict[str, object]:
    grown = {str(name): round(float(rows["grown"].median()), 3) for name, rows in fits.groupby("structure")}
    return {
        "recovered": {
            "sources": recovered,
            "sources_not_recovered": sources - recovered,
            "copies": copies,
            "median_residual_px": round(float(fits["residual"].median()), 3) if len(fits) else None,
            "median_area_of_exported_against_recovered_boxes": grown,
        }
    }
