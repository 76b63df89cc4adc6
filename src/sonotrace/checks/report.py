"""The data report: what was accepted and what was set apart, in numbers."""

from collections.abc import Sequence

import pandas as pd

from sonotrace.kinds.kind import Kind


def describe(
    kind: Kind,
    manifest: pd.DataFrame,
    accepted: pd.DataFrame,
    beyond: pd.DataFrame,
    quarantine: pd.DataFrame,
    boxes: pd.DataFrame,
    unlike: Sequence[str] = (),
) -> dict[str, object]:
    """Return the data report: counts only, no patient and no image is named.

    `unlike` says of each accepted image that is unlike the rest in what it is.
    """
    classes = boxes["structure"] if kind.has_boxes else accepted["label"]
    sizes = accepted["width"].astype(str) + "x" + accepted["height"].astype(str)
    return {
        "rows": len(manifest),
        "accepted": len(accepted),
        "out_of_scope": len(beyond),
        "quarantined": len(quarantine),
        "quarantined_by_reason": count(quarantine["reason"]),
        "unlike_the_rest": count(pd.Series([why.partition(":")[0] for why in unlike], dtype=str)),
        "patients": int(accepted["patient"].nunique()),
        "patients_by_number_of_images": count(accepted.groupby("patient").size()),
        kind.count_of_classes: count(classes),
        "images_by_size_px": count(sizes),
        "images_by_scanner": count(accepted["scanner"].replace("", "unknown")),
        "images_by_site": count(accepted["site"].replace("", "unknown")),
    }


def count(values: pd.Series) -> dict[str, int]:
    """Count values, in their own order."""
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}
