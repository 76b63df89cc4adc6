"""Judge each row of a snapshot: may it be used, and if not, why."""

import pandas as pd

from sonotrace.checks.boxes import faults
from sonotrace.kinds.kind import Kind
from sonotrace.tables import QUARANTINE_COLUMNS


def judge(
    data_set: str, kind: Kind, manifest: pd.DataFrame, boxes: pd.DataFrame, damages: dict[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide the image table into accepted rows and quarantined ones; the first reason found counts.

    Where a label names the class of the whole image, `label` becomes the name of that class. The
    quarantine has the columns image, file, labelled_by, reason and detail.
    """
    contents = manifest[manifest["file"] != ""].groupby("image")["sha256"].nunique()
    bad_boxes = {} if boxes.empty else faults(boxes, manifest, kind.classes(()))
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
            reason, detail = "unreadable patient", _no_patient(data_set, kind, row.image)
        elif not kind.has_boxes and kind.class_of(row.label) is None:
            reason, detail = "unknown label", f"{row.label!r}; known: {', '.join(kind.classes(kind.out_of_scope))}"
        elif contents[row.image] > 1:
            reason, detail = "same id twice", f"{contents[row.image]} different images have this id"
        elif (row.image, row.file) in bad_boxes:
            reason, detail = bad_boxes[row.image, row.file]
        if reason:
            quarantined.append((row.image, row.file, row.labelled_by, reason, detail))
        else:
            kept.append(position)
    accepted = manifest.iloc[kept].reset_index(drop=True)
    if not kind.has_boxes:
        accepted["label"] = [kind.class_of(label) for label in accepted["label"]]
    return accepted, pd.DataFrame(quarantined, columns=list(QUARANTINE_COLUMNS), dtype=str)


def _no_patient(data_set: str, kind: Kind, image: str) -> str:
    """Say what to do about an image whose patient is not known."""
    column = "" if kind.has_boxes else " or add a column Patient to the label table"
    remedy = f"change the pattern (examples in docs/sources.md){column}"
    return f"{image} does not match pull.{data_set}.patient_pattern; {remedy}"


def set_apart(accepted: pd.DataFrame, reasons: dict[str, str], reason: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide accepted rows by file into those that stay and those with a detail in `reasons`, for the quarantine."""
    chosen = accepted["file"].isin(reasons)
    apart = accepted.loc[chosen, ["image", "file", "labelled_by"]].assign(reason=reason)
    apart["detail"] = [reasons[file] for file in apart["file"]]
    return accepted[~chosen].reset_index(drop=True), apart


def part_by_scope(kind: Kind, accepted: pd.DataFrame, only_in_scope: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide good images into those to learn from and, if `only_in_scope`, those of classes out of scope."""
    beyond = accepted["label"].isin(kind.out_of_scope) & only_in_scope
    return accepted[~beyond].reset_index(drop=True), accepted[beyond].reset_index(drop=True)
