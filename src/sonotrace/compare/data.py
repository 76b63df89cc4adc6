"""Which images and patients came, went and changed.

An image is known by its id. Where an id is gone and a new one has the same bytes, the image was renamed.
"""

from typing import Any

import pandas as pd

from sonotrace.compare.revisions import Revision
from sonotrace.kinds.planes import plane_of
from sonotrace.places import folder
from sonotrace.tables import CORNERS, SIDES

LEFT_OUT = "not used"
"""The side of an image that validate has set apart."""
UNKNOWN = "unknown"
COMPARED = ("patient", "label", "boxes", "side", "scanner", "site")
"""What may differ of an image besides its bytes."""
KINDS = ("added", "removed", "renamed", "changed", "relabelled", "moved", "set apart", "taken in", "other patient")
"""Changed: other bytes under the same id. Moved: from one side to another. Set apart, taken in: no longer
or newly used, since validate judged otherwise."""


def images_of(revision: Revision, data_set: str) -> pd.DataFrame | None:
    """Return a table with a row for each image, by image id, or None, with a note, where there is no manifest.

    Columns: file, sha256, patient, label, scanner, width and height (px); site where the manifest has it;
    side where the split is to be had; of structures, boxes (all boxes as one text) where they are.
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
        # Of an id that the snapshot has twice, the file that is used.
        other = table["file"] != table["image"].map(used["file"])
        table = table.loc[other.sort_values(kind="stable").index]
    table = table.drop_duplicates("image").set_index("image").sort_index()
    for column in {"scanner", "site"} & set(table.columns):
        table[column] = table[column].replace("", UNKNOWN)
    if data_set == "planes":
        table["label"] = [plane_of(label) or label or "unlabelled" for label in table["label"]]
    else:
        boxes = revision.table((folder(data_set, "pull") / "boxes.csv").as_posix())
        if boxes is None:
            table = table.drop(columns="label")
        else:
            table["boxes"], table["label"] = _box_texts(table, boxes)
    kept = ["file", "sha256", *COMPARED, "width", "height"]
    return table[[column for column in kept if column in table.columns]]


def _box_texts(table: pd.DataFrame, boxes: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Write each image's boxes as one text, and the structures that it has as another."""
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
    """Return a row for each image of either state, by its id, of removed images the one they had.

    `image_before` is the id in the first state, empty for an added image, `image_after` that in the second.
    Each column that both states have stands twice, with `_before` and `_after`, missing where the image is
    not there. `changes` lists which of KINDS hold, parted by `; `.
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
    there, here = table["image_before"].notna(), table["image_after"].notna()
    known = there & here

    def differs(column: str) -> pd.Series:
        if column not in columns and column != "image":
            return known & False
        return known & (table[f"{column}_before"] != table[f"{column}_after"])

    sides = differs("side")
    was_out, is_out = (
        table.get(f"side_{when}", pd.Series("", table.index)) == LEFT_OUT for when in ("before", "after")
    )
    found = {
        "added": ~there,
        "removed": ~here,
        "renamed": differs("image"),
        "changed": differs("sha256"),
        "relabelled": differs("label") | differs("boxes"),
        "moved": sides & ~was_out & ~is_out,
        "set apart": sides & is_out,
        "taken in": sides & was_out,
        "other patient": differs("patient"),
    }
    flags = pd.DataFrame(found)[list(KINDS)]
    changes = ["; ".join(flags.columns[row]) for row in flags.to_numpy(bool)]
    return table.assign(changes=pd.Series(changes, table.index, dtype=str))


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Number the images of equal bytes, so that each pairs with one other."""
    named = table[["image", "sha256"]].reset_index(drop=True)
    return named.assign(number=named.groupby("sha256").cumcount())


def described(table: pd.DataFrame) -> dict[str, Any]:
    """Return the counts of a joined table: images, patients, moves between sides, and each group; nobody is named."""
    kinds = table["changes"].str.split("; ")
    groups = {"class": "label", "side": "side", "scanner": "scanner"}
    sites = table.filter(["site_before", "site_after"])
    if (sites.notna() & (sites != UNKNOWN)).any(axis=None):
        groups["site"] = "site"
    return {
        "images": {
            "a": int(table["image_before"].notna().sum()),
            "b": int(table["image_after"].notna().sum()),
            **{kind: int(kinds.map(lambda row, kind=kind: kind in row).sum()) for kind in KINDS},
        },
        "patients": _patients(table),
        "moves": _moves(table) if "side_before" in table else [],
        "groups": {name: _groups(table, column) for name, column in groups.items() if f"{column}_before" in table},
    }


def _patients(table: pd.DataFrame) -> dict[str, int]:
    before, after = (set(table[f"patient_{when}"].dropna()) - {""} for when in ("before", "after"))
    return {"a": len(before), "b": len(after), "added": len(after - before), "removed": len(before - after)}


def _moves(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Count images and patients that stood on one side and stand on another now.

    Patients count by their id, also where none of their images is in both states, and by their images.
    """
    before, after = (
        {side: set(table.loc[table[f"side_{when}"] == side, f"patient_{when}"]) - {""} for side in SIDES}
        for when in ("before", "after")
    )
    found = []
    for old in SIDES:
        for new in SIDES:
            rows = table[(table["side_before"] == old) & (table["side_after"] == new)]
            by_id = (before[old] - before[new]) & (after[new] - after[old])
            patients = by_id | set(rows["patient_after"]) - {""}
            if old != new and (len(rows) or patients):
                found.append({"from": old, "to": new, "images": len(rows), "patients": len(patients)})
    return found


def _groups(table: pd.DataFrame, column: str) -> list[dict[str, Any]]:
    """Count the images of each value: those of `a`, what came and went, those of `b`.

    b = a + added - removed + came - left, where `came` and `left` are images of both states that have
    another value now. An image with several structures counts for each.
    """
    values = {when: table[f"{column}_{when}"].fillna("").str.split("; ").map(set) for when in ("before", "after")}
    there, here = table["image_before"].notna(), table["image_after"].notna()
    known = there & here
    other_bytes = known & (table["sha256_before"] != table["sha256_after"])
    rows = []
    for name in sorted(set().union(*values["before"], *values["after"]) - {""}):
        was, now = (values[when].map(lambda found, name=name: name in found).astype(bool) for when in values)
        rows.append(
            {
                "name": name,
                "a": int(was.sum()),
                "added": int((now & ~there).sum()),
                "removed": int((was & ~here).sum()),
                "came": int((now & ~was & known).sum()),
                "left": int((was & ~now & known).sum()),
                "b": int(now.sum()),
                "changed": int((now & other_bytes).sum()),
                "patients_a": int(table.loc[was, "patient_before"].nunique()),
                "patients_b": int(table.loc[now, "patient_after"].nunique()),
            }
        )
    order = {side: at for at, side in enumerate((*SIDES, LEFT_OUT))}
    return sorted(rows, key=lambda row: (order.get(str(row["name"]), -1), row["name"])) if column == "side" else rows


def listed(table: pd.DataFrame, data_set: str) -> pd.DataFrame:
    """Return the images of a joined table that differ, one row each, as `--csv` writes them; patients are named."""
    rows = table[table["changes"] != ""]
    columns = [
        f"{column}_{when}"
        for column in ("image", *COMPARED, "width", "height", "sha256")
        for when in ("before", "after")
        if f"{column}_{when}" in table
    ]
    sized = rows[columns].astype({name: "Int64" for name in columns if name.startswith(("width", "height"))})
    return sized.assign(changes=rows["changes"], data_set=data_set)[["data_set", "changes", *columns]]
