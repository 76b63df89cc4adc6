"""Into which fold of a cross-validation each patient is dealt."""

from collections.abc import Iterable

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.patients.sides import place
from sonotrace.tables import NOT_STATED


def fold_of(patient: str, salt: str, count: int) -> int:
    """Return the patient's fold, 1 to `count`: a hash of salt and patient, so that another patient changes nothing."""
    return int(place(patient, f"{salt} folds") * count) + 1


def groups(rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the scanner or the site of each patient, given (patient, scanner or site) of their images: the first."""
    found: dict[str, str] = {}
    for patient, name in rows:
        found.setdefault(patient, name or NOT_STATED)
    return found


def fold_of_group(own: str, names: Iterable[str]) -> int:
    """Return the fold of the patients of a scanner or site: its place, from 1, among all such names by the alphabet."""
    return sorted(set(names)).index(own) + 1


def without(own: pd.DataFrame, by: str) -> str:
    """Say for a message which scanner or site the images of a fold are of; nothing where folds are dealt by patient."""
    if by == "patient":
        return ""
    (name,) = set(groups(zip(own["patient"], own[by], strict=True)).values())
    return f", without {by} {name}"


def with_folds(data_set: str, split: pd.DataFrame, salt: str, count: int, by: str = "patient") -> pd.DataFrame:
    """Return the images of a split that may be learnt from, all but the test side, with the column `fold`.

    Patients are dealt by a hash, or `by` their scanner or site, one fold for each. Raises SonotraceError, naming keys
    of params.yaml, where a fold would have no patient, or a class would be known from one fold alone.
    """
    table = split[split["side"] != "test"].reset_index(drop=True)
    if by == "patient":
        table["fold"] = [fold_of(patient, salt, count) for patient in table["patient"]]
    else:
        own = groups(zip(table["patient"], table[by], strict=True))
        _require_groups(data_set, sorted(set(own.values())), count, by)
        table["fold"] = [fold_of_group(own[patient], own.values()) for patient in table["patient"]]
    patients = table["patient"].nunique()
    if patients < count:
        raise SonotraceError(
            f"params.yaml: folds.numbers has {count} folds, but {data_set} has {patients} patients to learn from; "
            "take fewer folds, or bring more patients"
        )
    remedy = f"take fewer folds, change split.{data_set}.salt, or bring more patients"
    if by != "patient":
        remedy = "set folds.by to patient, or bring more patients"
    empty = sorted(set(range(1, count + 1)) - set(table["fold"]))
    if empty:
        raise SonotraceError(
            f"params.yaml: folds.numbers: no patient of {data_set} came into fold {empty[0]}; {remedy}"
        )
    spread = table.groupby("label")["fold"].nunique()
    if (spread < 2).any():
        label = str(spread.index[spread < 2][0])
        raise SonotraceError(
            f"params.yaml: folds.numbers: all images of {label} in {data_set} came into one fold; {remedy}"
        )
    return table


def _require_groups(data_set: str, names: list[str], count: int, by: str) -> None:
    """Raise SonotraceError unless there is one scanner or site per fold, and more than one."""
    if len(names) < 2:
        raise SonotraceError(
            f"params.yaml: folds.by is {by}, but all images of {data_set} have the same one ({', '.join(names)}); "
            f"set it to patient, or bring a label table that states the {by}"
        )
    if len(names) != count:
        raise SonotraceError(
            f"params.yaml: folds.numbers has {count} folds, but {data_set} has {len(names)} {by}s "
            f"({', '.join(names)}); set it to {list(range(1, len(names) + 1))}"
        )
