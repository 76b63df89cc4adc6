"""validate: decode every image once and set apart, with a reason, what cannot be used.

Needs what pull left; leaves `accepted.csv`, `boxes.csv` (of accepted images, cut to the image),
`quarantine.csv`, `out_of_scope.csv` (good images of planes that are not to be learnt) and
`statistics.csv` (brightness and sharpness of each image that can be read) in
`data/<data set>/validate`, and `reports/<data set>/data.json`.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.images import grey as images
from sonotrace.images.grey import Grey, damage, decode_grey
from sonotrace.kinds import planes, structures
from sonotrace.params import load
from sonotrace.places import REPORTS, folder
from sonotrace.running.item_cache import ItemCache
from sonotrace.running.outputs import write_csv, write_json
from sonotrace.running.parallel import BATCH, in_order
from sonotrace.running.progress import bar, native_noise_hidden, say
from sonotrace.tables import CORNERS, read_table

BOX_TOLERANCE = 1.0
"""Boxes may reach this many px beyond the image, as rounding makes them; they are cut to it."""


def run(data_set: str) -> None:
    """Validate `data_set`; stop where too much is quarantined or identical images disagree."""
    params = getattr(load().validate_, data_set)
    pull, out = folder(data_set, "pull"), folder(data_set, "validate")
    manifest, boxes = read_table(pull / "manifest.csv"), read_table(pull / "boxes.csv")
    found = inspect(manifest, pull / "images", data_set)
    readable = found["damage"] == ""
    write_csv(found[readable].drop(columns="damage"), out / "statistics.csv")
    damages = dict(found.loc[~readable, ["file", "damage"]].itertuples(index=False))
    accepted, quarantine = judge(data_set, manifest, boxes, damages)
    accepted, copies = set_copies_apart(data_set, accepted, boxes, params.conflicting_labels)
    accepted, beyond = part_by_scope(accepted, params.classes if data_set == "planes" else "four")
    write_csv(beyond, out / "out_of_scope.csv")
    quarantine = pd.concat([quarantine, copies]).sort_values(["image", "file"], kind="stable")
    write_csv(quarantine, out / "quarantine.csv")
    _check_share(data_set, len(manifest), quarantine, params.max_quarantined)
    if accepted.empty:
        raise SonotraceError(
            f"{data_set}: all {len(beyond)} good images are of planes beyond the standard four; "
            "set validate.planes.classes: six, or bring standard planes"
        )
    write_csv(accepted, out / "accepted.csv")
    used = cut_boxes(boxes, accepted)
    write_csv(used, out / "boxes.csv")
    write_json(describe(data_set, manifest, accepted, beyond, quarantine, used), REPORTS / data_set / "data.json")
    reasons = ", ".join(f"{count} {reason}" for reason, count in _count(quarantine["reason"]).items())
    why = f": {reasons}" if reasons else ""
    out_of_scope = f", {len(beyond)} out of scope" if len(beyond) else ""
    say(f"validate: {len(accepted)} {data_set} images accepted{out_of_scope}, {len(quarantine)} rows quarantined{why}")


def inspect(manifest: pd.DataFrame, at: Path, data_set: str) -> pd.DataFrame:
    """Decode every image file below `at`; those decoded before, by their bytes, are taken over.

    Returns the columns image, file, damage (why it cannot be decoded, else empty), brightness and
    sharpness (`measure`), one row per file.
    """
    files = (
        manifest.loc[manifest["file"] != "", ["image", "file", "sha256"]].drop_duplicates("file").sort_values("file")
    )
    say(f"validate: decoding {len(files)} {data_set} images")

    def look(row: tuple[str, str]) -> str:
        file, sha256 = row

        def decode() -> str:
            content = (at / file).read_bytes()
            image = decode_grey(content)
            return json.dumps([damage(content), None, None] if image is None else ["", *measure(image)])

        return cache.text(sha256, decode)

    with open_cache() as cache, bar("decode", len(files)) as advance, native_noise_hidden():
        results = []
        for result in in_order(look, zip(files["file"], files["sha256"], strict=True), batch=BATCH):
            results.append(json.loads(result))
            advance(1)
    say(f"validate: {cache.made} decoded, {len(files) - cache.made} known from before")
    columns = pd.DataFrame(results, columns=["damage", "brightness", "sharpness"], index=files.index)
    return pd.concat([files[["image", "file"]], columns], axis=1)


def open_cache(top: Path | None = None) -> ItemCache:
    """Open what was found in images before."""
    return ItemCache("validate", [images, sys.modules[__name__]], "", top)


def measure(image: Grey) -> tuple[float, float]:
    """Return the mean grey level, 0 to 255, and the sharpness: Brenner's gradient, in squared grey levels.

    That is the mean squared difference of pixels two apart, here along both axes (Brenner et al. 1976);
    noise and burned-in text raise it too. Values are rounded to 3 digits; an image too small has 0.
    """
    pairs = [(image[:, 2:], image[:, :-2]), (image[2:], image[:-2])]
    squares = [cv2.norm(one, other, cv2.NORM_L2SQR) / one.size for one, other in pairs if one.size]
    return round(float(cv2.mean(image)[0]), 3), round(sum(squares) / max(len(squares), 1), 3)


def judge(
    data_set: str, manifest: pd.DataFrame, boxes: pd.DataFrame, damages: dict[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the image table into accepted rows and quarantined ones; the first reason found counts.

    Planes get their plane's name as `label`. The quarantine has the columns image, file,
    labelled_by, reason and detail.
    """
    contents = manifest[manifest["file"] != ""].groupby("image")["sha256"].nunique()
    bad_boxes = {} if boxes.empty else box_faults(boxes, manifest)
    kept, quarantined = [], []
    for position, row in enumerate(manifest.itertuples(index=False)):
        reason, detail = "", ""
        if row.refused:
            reason, _, detail = row.refused.partition(": ")
        elif not row.file:
            reason, detail = "row without image", f"no image {row.image}"
        elif not row.labelled_by:
            reason, detail = "image without row", f"{row.file} is not labelled"
        elif row.file in damages:
            reason, detail = "unreadable image", damages[row.file]
        elif not row.patient:
            reason, detail = "unreadable patient", f"pull.{data_set}.patient_pattern does not fit"
        elif data_set == "planes" and planes.plane_of(row.label) is None:
            reason, detail = "unknown label", row.label
        elif contents[row.image] > 1:
            reason, detail = "same id twice", f"{contents[row.image]} different images have this id"
        elif (row.image, row.file) in bad_boxes:
            reason, detail = bad_boxes[row.image, row.file]
        if reason:
            quarantined.append((row.image, row.file, row.labelled_by, reason, detail))
        else:
            kept.append(position)
    accepted = manifest.iloc[kept].reset_index(drop=True)
    if data_set == "planes":
        accepted["label"] = [planes.plane_of(label) for label in accepted["label"]]
    columns = ["image", "file", "labelled_by", "reason", "detail"]
    return accepted, pd.DataFrame(quarantined, columns=columns, dtype=str)


def part_by_scope(accepted: pd.DataFrame, classes: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part good images into those to learn from and, of `classes` four, those of planes beyond the standard four."""
    beyond = accepted["label"].isin(planes.OUT_OF_SCOPE) & (classes == "four")
    return accepted[~beyond].reset_index(drop=True), accepted[beyond].reset_index(drop=True)


def box_faults(boxes: pd.DataFrame, manifest: pd.DataFrame) -> dict[tuple[str, str], tuple[str, str]]:
    """Return (image, file) -> (reason, detail) for images with a box that cannot be used.

    The whole image is set apart: without one of its boxes it would teach that nothing is there.
    """
    sizes = manifest.drop_duplicates(["image", "file"])[["image", "file", "width", "height"]]
    table = boxes.merge(sizes, on=["image", "file"], how="left")
    width, height = table["width"] + BOX_TOLERANCE, table["height"] + BOX_TOLERANCE
    unreadable = table[CORNERS].isna().any(axis=1)
    unknown = ~table["structure"].isin(structures.STRUCTURES)
    empty = (table["x1"] - table["x0"] <= 0) | (table["y1"] - table["y0"] <= 0)
    outside = (table[["x0", "y0"]] < -BOX_TOLERANCE).any(axis=1) | (table["x1"] > width) | (table["y1"] > height)
    for low, high, size in (("x0", "x1", "width"), ("y0", "y1", "height")):
        outside |= np.minimum(table[high], table[size]) <= np.maximum(table[low], 0)  # nothing is left once cut
    faults = np.select(
        [unreadable, unknown, empty, outside],
        ["unreadable box", "box of unknown class", "box of zero size", "box outside the image"],
        default="",
    )
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for row, fault in zip(table.itertuples(index=False), faults, strict=True):
        if fault:
            corners = ", ".join(f"{value:g}" for value in (row.x0, row.y0, row.x1, row.y1))
            known = f"; known: {', '.join(structures.STRUCTURES)}" if "class" in fault else ""
            found.setdefault((row.image, row.file), (str(fault), f"{row.structure} [{corners}] px{known}"))
    return found


def set_copies_apart(
    data_set: str, accepted: pd.DataFrame, boxes: pd.DataFrame, conflicting: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep one of each group of byte-identical images or rows, the first by id, and quarantine the rest.

    Where identical images carry different labels, raises SonotraceError if `conflicting` is
    `stop`, and quarantines them all if it is `quarantine`.
    """
    labels = accepted["label"] if data_set == "planes" else _box_labels(accepted, boxes)
    drop: dict[int, tuple[str, str]] = {}
    for _, group in accepted[accepted["sha256"].duplicated(keep=False)].groupby("sha256", sort=True):
        if len(set(labels[group.index])) > 1:
            said = zip(group["labelled_by"], labels[group.index], strict=True)
            shown = " but ".join(f"{where} says {label or 'nothing'}" for where, label in list(said))
            if conflicting == "stop":
                raise SonotraceError(
                    f"{data_set}: identical images {', '.join(group['image'].unique())}: {shown}; correct the "
                    f"label, or set validate.{data_set}.conflicting_labels: quarantine to leave them out"
                )
            drop |= dict.fromkeys(group.index, ("conflicting labels", shown))
        else:
            first = group.iloc[0]
            for at, image in group["image"].iloc[1:].items():
                reason = "same id twice" if image == first["image"] else "identical copy"
                drop[at] = (reason, f"same bytes as {first['file']}, labelled by {first['labelled_by']}")
    apart = accepted.loc[list(drop), ["image", "file", "labelled_by"]]
    apart["reason"] = [reason for reason, _ in drop.values()]
    apart["detail"] = [detail for _, detail in drop.values()]
    return accepted.drop(index=list(drop)).reset_index(drop=True), apart


def _box_labels(accepted: pd.DataFrame, boxes: pd.DataFrame) -> pd.Series:
    """Write each image's boxes as one text, for comparison."""
    texts: dict[tuple[str, str], list[str]] = {}
    for row in boxes.itertuples(index=False):
        text = f"{row.structure} {row.x0:g} {row.y0:g} {row.x1:g} {row.y1:g}"
        texts.setdefault((row.image, row.file), []).append(text)
    keys = zip(accepted["image"], accepted["file"], strict=True)
    return pd.Series(["; ".join(sorted(texts.get(key, []))) for key in keys], index=accepted.index, dtype=str)


def _check_share(data_set: str, rows: int, quarantine: pd.DataFrame, limit: float) -> None:
    if rows == 0:
        raise SonotraceError(f"{folder(data_set, 'pull')}: no images and no rows; put a snapshot there to pull")
    share = len(quarantine) / rows
    if share <= limit and len(quarantine) < rows:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in _count(quarantine["reason"]).items())
    first = quarantine.iloc[0]
    raise SonotraceError(
        f"{data_set}: {len(quarantine)} of {rows} rows quarantined ({reasons}; first: {first['image']}: "
        f"{first['detail']}), more than validate.{data_set}.max_quarantined = {limit:g}; "
        f"see {folder(data_set, 'validate') / 'quarantine.csv'}, mend the snapshot or raise the limit"
    )


def cut_boxes(boxes: pd.DataFrame, accepted: pd.DataFrame) -> pd.DataFrame:
    """Return the boxes of accepted images, cut to their image."""
    sized = boxes.merge(accepted[["image", "file", "width", "height"]], on=["image", "file"])
    for low, high, size in (("x0", "x1", "width"), ("y0", "y1", "height")):
        sized[[low, high]] = sized[[low, high]].clip(lower=0).clip(upper=sized[size], axis=0)
    return sized[["image", "structure", *CORNERS]]


def describe(
    data_set: str,
    manifest: pd.DataFrame,
    accepted: pd.DataFrame,
    beyond: pd.DataFrame,
    quarantine: pd.DataFrame,
    boxes: pd.DataFrame,
) -> dict[str, object]:
    """Return the data report: counts only, no patient and no image is named."""
    classes = accepted["label"] if data_set == "planes" else boxes["structure"]
    sizes = accepted["width"].astype(str) + "x" + accepted["height"].astype(str)
    return {
        "rows": len(manifest),
        "accepted": len(accepted),
        "out_of_scope": len(beyond),
        "quarantined": len(quarantine),
        "quarantined_by_reason": _count(quarantine["reason"]),
        "patients": int(accepted["patient"].nunique()),
        "patients_by_number_of_images": _count(accepted.groupby("patient").size()),
        "images_by_plane" if data_set == "planes" else "boxes_by_structure": _count(classes),
        "images_by_size_px": _count(sizes),
        "images_by_scanner": _count(accepted["scanner"].replace("", "unknown")),
        "images_by_site": _count(accepted["site"].replace("", "unknown")),
    }


def _count(values: pd.Series) -> dict[str, int]:
    """Count values, in their own order."""
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}
