"""The images of two states side by side, and what happened to each.

An image is known by its id. Where an id is gone and a new one has the same bytes, the image was renamed.
"""

import pandas as pd

from sonotrace.compare.revisions import Revision
from sonotrace.kinds.kind import Kind
from sonotrace.places import folder
from sonotrace.tables import CORNERS

LEFT_OUT = "not used"
"""The split of an image that validate excluded."""
UNKNOWN = "unknown"
COMPARED = ("patient", "label", "boxes", "side", "scanner", "site")
"""What may differ between two versions of an image, besides its bytes."""
CHANGES = ("added", "removed", "renamed", "changed", "relabelled", "moved", "set apart", "taken in", "other patient")
"""Changed: other bytes under the same id. Moved: from one split to another. Set apart, taken in: no longer
used, or used for the first time, because validate decides differently."""


def images_of(revision: Revision, data_set: str) -> pd.DataFrame | None:
    """Return one row per image, indexed by image id, or None, with a note, where there is no manifest.

    Columns: file, sha256, patient, label, scanner, width and height (px); site if the manifest has it;
    side (the split) if the split is known; for structures, boxes (all boxes as one text) if there are any.
    """
    table = revision.table((folder(data_set, "pull") / "manifest.csv").as_posix())
    if table is None:
        return None
    table = table[table["file"] != ""].copy()
    split = revision.table((folder(data_set, "split") / "split.csv").as_posix())
    if split is not None:
        used = split.drop_duplicates("image").set_index("image")
        table["side"] = table["image"].map(used["side"]).fillna(LEFT_OUT)
        table["label"] = table["image"].map(used["label"]).fillna(table["label"])
        # Where the snapshot has an id twice, keep the file that is used.
        other = table["file"] != table["image"].map(used["file"])
        table = table.loc[other.sort_values(kind="stable").index]
    table = table.drop_duplicates("image").set_index("image").sort_index()
    for column in {"scanner", "site"} & set(table.columns):
        table[column] = table[column].replace("", UNKNOWN)
    table = _labelled(table, revision, data_set, revision.kind(data_set))
    kept = ["file", "sha256", *COMPARED, "width", "height"]
    return table[[column for column in kept if column in table.columns]]


def _labelled(table: pd.DataFrame, revision: Revision, data_set: str, kind: Kind) -> pd.DataFrame:
    """Bring labels to the names of classes, whichever way the snapshot spells them."""
    if not kind.has_boxes:
        return table.assign(label=[kind.class_of(label) or label or "unlabelled" for label in table["label"]])
    boxes = revision.table((folder(data_set, "pull") / "boxes.csv").as_posix())
    if boxes is None:
        return table.drop(columns="label")
    texts, labels = _box_texts(table, boxes)
    return table.assign(boxes=texts, label=labels)


def _box_texts(table: pd.DataFrame, boxes: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Write each image's boxes as one text, and the structures in it as another."""
    texts: dict[tuple[str, str], list[str]] = {}
    names: dict[tuple[str, str], set[str]] = {}
    for row in boxes.to_dict("records"):
        key = row["image"], row["file"]
        corners = " ".join(f"{row[corner]:g}" for corner in CORNERS)
        texts.setdefault(key, []).append(f"{row['structure']} {corners}")
        names.setdefault(key, set()).add(row["structure"])
    keys = list(zip(table.index, table["file"], strict=True))
    return (
        ["; ".join(sorted(texts.get(key, []))) for key in keys],
        ["; ".join(sorted(names.get(key, {"no box"}))) for key in keys],
    )


def joined(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return one row per image of either state, indexed by its id (for a removed image, its old id).

    `image_before` is the id in the first state, missing for an added image, `image_after` that in the
    second. Every column that both states have appears with `_before` and `_after`, missing where the
    image does not exist. `changes` lists which of CHANGES apply, separated by `; `.
    """
    old, new = (
        table.assign(image=table.index)[~table.index.isin(other.index)]
        for table, other in ((before, after), (after, before))
    )
    pairs = _numbered(old).merge(_numbered(new), on=["sha256", "number"], suffixes=("_before", "_after"))
    names = dict(zip(pairs["image_before"], pairs["image_after"], strict=True))
    columns = [column for column in before.columns if column in after.columns]
    first = before[columns].assign(image=before.index).rename(index=names)
    second = after[columns].assign(image=after.index)
    table = first.join(second, how="outer", lsuffix="_before", rsuffix="_after").sort_index()
    return table.assign(changes=_changes(table, columns))


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Number the images with equal bytes, so that each pairs with only one other."""
    named = table[["image", "sha256"]].reset_index(drop=True)
    return named.assign(number=named.groupby("sha256").cumcount())


def _changes(table: pd.DataFrame, columns: list[str]) -> pd.Series:
    in_a, in_b = table["image_before"].notna(), table["image_after"].notna()
    in_both = in_a & in_b

    def differs(column: str) -> pd.Series:
        if column not in columns and column != "image":
            return in_both & False
        return in_both & (table[f"{column}_before"] != table[f"{column}_after"])

    sides = differs("side")
    was_out, is_out = (
        table.get(f"side_{when}", pd.Series("", table.index)) == LEFT_OUT for when in ("before", "after")
    )
    flags = pd.DataFrame(
        {
            "added": ~in_a,
            "removed": ~in_b,
            "renamed": differs("image"),
            "changed": differs("sha256"),
            "relabelled": differs("label") | differs("boxes"),
            "moved": sides & ~was_out & ~is_out,
            "set apart": sides & is_out,
            "taken in": sides & was_out,
            "other patient": differs("patient"),
        }
    )[list(CHANGES)]
    texts = ["; ".join(flags.columns[row]) for row in flags.to_numpy(bool)]
    return pd.Series(texts, table.index, dtype=str)


def listed(table: pd.DataFrame, data_set: str) -> pd.DataFrame:
    """Return the images of a joined table that differ, one per row, as `--csv` writes them; it names patients."""
    rows = table[table["changes"] != ""]
    columns = [
        f"{column}_{when}"
        for column in ("image", *COMPARED, "width", "height", "sha256")
        for when in ("before", "after")
        if f"{column}_{when}" in table
    ]
    sized = rows[columns].astype({name: "Int64" for name in columns if name.startswith(("width", "height"))})
    return sized.assign(changes=rows["changes"], data_set=data_set)[["data_set", "changes", *columns]]
