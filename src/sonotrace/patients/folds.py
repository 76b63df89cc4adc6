"""Into which fold of a cross-validation each patient is dealt."""

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.patients.sides import place


def fold_of(patient: str, salt: str, count: int) -> int:
    """Return the patient's fold, 1 to `count`: a hash of salt and patient, so that another patient changes nothing."""
    return int(place(patient, f"{salt} folds") * count) + 1


def with_folds(data_set: str, split: pd.DataFrame, salt: str, count: int) -> pd.DataFrame:
    """Return the images of a split that may be learnt from, all but the test side, with the column `fold`.

    Raises SonotraceError, naming keys of params.yaml, where a fold would have no patient, or a class would be
    known from one fold alone.
    """
    table = split[split["side"] != "test"].reset_index(drop=True)
    table["fold"] = [fold_of(patient, salt, count) for patient in table["patient"]]
    patients = table["patient"].nunique()
    if patients < count:
        raise SonotraceError(
            f"params.yaml: folds.numbers has {count} folds, but {data_set} has {patients} patients to learn from; "
            "take fewer folds, or bring more patients"
        )
    remedy = f"take fewer folds, change split.{data_set}.salt, or bring more patients"
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
