"""Find images with the same bytes: one of them stays, and labels that contradict each other are not guessed at."""

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind


def set_copies_apart(
    data_set: str, kind: Kind, accepted: pd.DataFrame, boxes: pd.DataFrame, conflicting: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep one of each group of byte-identical images or rows, the first by id, and quarantine the rest.

    Where identical images carry different labels, raises SonotraceError if `conflicting` is
    `stop`, and quarantines them all if it is `quarantine`.
    """
    labels = _box_labels(accepted, boxes) if kind.has_boxes else accepted["label"]
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
