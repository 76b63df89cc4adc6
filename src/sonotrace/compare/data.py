"""How many images and patients were added, removed and changed. Counts only: nobody is named."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from sonotrace.compare.images import CHANGES, LEFT_OUT, UNKNOWN
from sonotrace.compare.statistics import Shift
from sonotrace.tables import SIDES


@dataclass(frozen=True)
class Images:
    """Numbers of images."""

    a: int
    b: int
    changes: Mapping[str, int]
    """One of `images.CHANGES` -> images it applies to."""


@dataclass(frozen=True)
class Patients:
    """Numbers of patients."""

    a: int
    b: int
    added: int
    removed: int


@dataclass(frozen=True)
class Move:
    """Images and patients that are in another split now."""

    before: str
    after: str
    images: int
    """In both states."""
    patients: int


@dataclass(frozen=True)
class Group:
    """The images of one class, split, scanner or site: b = a + added - removed + came - left."""

    name: str
    a: int
    added: int
    removed: int
    came: int
    """Images of both states that belong to this group only in B."""
    left: int
    """Images of both states that belong to this group only in A."""
    b: int
    changed: int
    """Images of both states that have other bytes in B."""
    patients_a: int
    patients_b: int


@dataclass(frozen=True)
class Data:
    """How the images of one data set differ."""

    images: Images
    patients: Patients
    moves: list[Move]
    groups: dict[str, list[Group]]
    """`class`, `side`, `scanner` or `site` -> its groups."""
    shifts: list[Shift]

    @property
    def warnings(self) -> list[str]:
        """Say which patients make a test split useless for comparing the two models."""
        use = {"train": "training", "val": "validation"}
        found = []
        for move in self.moves:
            who = f"{_number(move.patients, 'patient')} ({_number(move.images, 'image')} in both)"
            if move.before == "test":
                where = f"moved from A's test split to B's {use[move.after]} split"
                found.append(f"{who} {where}: scores on A's test split say nothing about B's model")
            elif move.after == "test":
                where = f"moved from A's {use[move.before]} split to B's test split"
                found.append(f"{who} {where}: scores on B's test split say nothing about A's model")
        return found


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def counted(table: pd.DataFrame, shifts: list[Shift]) -> Data:
    """Count the images of a table from `images.joined`; `shifts` come from `statistics.shifts`."""
    changes = table["changes"].str.split("; ")
    columns = {"class": "label", "side": "side", "scanner": "scanner"}
    sites = table.filter(["site_before", "site_after"])
    if (sites.notna() & (sites != UNKNOWN)).any(axis=None):
        columns["site"] = "site"
    return Data(
        images=Images(
            a=int(table["image_before"].notna().sum()),
            b=int(table["image_after"].notna().sum()),
            changes={name: int(changes.map(lambda row, name=name: name in row).sum()) for name in CHANGES},
        ),
        patients=_patients(table),
        moves=_moves(table) if "side_before" in table else [],
        groups={name: _groups(table, column) for name, column in columns.items() if f"{column}_before" in table},
        shifts=shifts,
    )


def _patients(table: pd.DataFrame) -> Patients:
    before, after = (set(table[f"patient_{when}"].dropna()) - {""} for when in ("before", "after"))
    return Patients(a=len(before), b=len(after), added=len(after - before), removed=len(before - after))


def _moves(table: pd.DataFrame) -> list[Move]:
    """Count images and patients that went from one split to another.

    A patient counts by id, even if none of their images is in both states, and by their images.
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
                found.append(Move(old, new, images=len(rows), patients=len(patients)))
    return found


def _groups(table: pd.DataFrame, column: str) -> list[Group]:
    """Count the images of each value of a column; an image with several structures counts for each."""
    values = {when: table[f"{column}_{when}"].fillna("").str.split("; ").map(set) for when in ("before", "after")}
    in_a, in_b = table["image_before"].notna(), table["image_after"].notna()
    in_both = in_a & in_b
    other_bytes = in_both & (table["sha256_before"] != table["sha256_after"])
    groups = []
    for name in sorted(set().union(*values["before"], *values["after"]) - {""}):
        was, now = (values[when].map(lambda names, name=name: name in names).astype(bool) for when in values)
        groups.append(
            Group(
                name=name,
                a=int(was.sum()),
                added=int((now & ~in_a).sum()),
                removed=int((was & ~in_b).sum()),
                came=int((now & ~was & in_both).sum()),
                left=int((was & ~now & in_both).sum()),
                b=int(now.sum()),
                changed=int((now & other_bytes).sum()),
                patients_a=int(table.loc[was, "patient_before"].nunique()),
                patients_b=int(table.loc[now, "patient_after"].nunique()),
            )
        )
    order = {side: at for at, side in enumerate((*SIDES, LEFT_OUT))}
    return sorted(groups, key=lambda group: (order.get(group.name, -1), group.name)) if column == "side" else groups
