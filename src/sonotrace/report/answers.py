"""Which images of a classifier to show: the worst errors, and what each cell of the confusion matrix holds."""

import pandas as pd

from sonotrace.images.packs import Stored
from sonotrace.report import pictures
from sonotrace.report.gathered import Case
from sonotrace.report.naming import Naming

MOST = 160
"""Images of a data set that have a picture; the rest is counted."""
IN_A_CELL = 24
"""Of one cell of the confusion matrix, the surest errors; of a cell of right answers REASSURING, the least sure."""
REASSURING = 4

NOT_PROBABILITIES = ("data_set", "image", "patient", "label", "predicted", "scope", "in_scope", "confidence")


def confusion(predictions: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the images of each actual and each predicted class; pairs that do not occur are left out."""
    pairs = predictions.groupby(["label", "predicted"]).size()
    found: dict[str, dict[str, int]] = {}
    for (actual, predicted), count in pairs.items():
        found.setdefault(str(actual), {})[str(predicted)] = int(count)
    return found


def refused(predictions: pd.DataFrame) -> pd.Series:
    """Return which images the model gives no class; none where the model refuses nothing."""
    if "in_scope" not in predictions:
        return pd.Series(False, predictions.index)
    return predictions["in_scope"] == "false"


def errors(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows to show of predictions of planes, the worst first.

    Wrong answers come first, the surest at the top, since a user would believe them; then wrong answers that were
    refused; then right ones that were refused; then the least sure of those that are right. No cell of the confusion
    matrix has more than IN_A_CELL.
    """
    table = _ranked(predictions)
    wrong, out = table["label"] != table["predicted"], refused(table)
    in_doubt = table[~wrong & ~out].sort_values(["label", "confidence", "image"], kind="stable")
    parts = [
        table[wrong & ~out],
        table[wrong & out],
        table[~wrong & out].head(IN_A_CELL),
        in_doubt.groupby("label", sort=False).head(REASSURING),
    ]
    shown = pd.concat(parts)
    place = shown.groupby(["label", "predicted"]).cumcount()
    return shown[place < IN_A_CELL].head(MOST)


def accepted(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows to show of images out of scope: those that were given a class, the surest first."""
    return _ranked(predictions)[lambda table: ~refused(table)].groupby("label").head(IN_A_CELL).head(MOST)


def _ranked(predictions: pd.DataFrame) -> pd.DataFrame:
    table = predictions.assign(confidence=predictions[classes(predictions)].astype(float).max(axis=1))
    return table.sort_values(["confidence", "image"], ascending=[False, True], kind="stable")


def classes(predictions: pd.DataFrame) -> list[str]:
    """Return the classes in the model's order: the columns with probabilities."""
    return [name for name in predictions.columns if name not in NOT_PROBABILITIES]


def cases(
    shown: pd.DataFrame, split: pd.DataFrame, images: Stored, size: tuple[int, int], naming: Naming
) -> list[Case]:
    """Return the cases of rows of predictions, with their pictures from the prepared images.

    `split` are the rows of `split.csv`, `size` is width and height of the prepared images in px.
    """
    rows, out = split.set_index("image", drop=False), refused(shown)
    return [
        Case(
            **naming.described(rows.loc[row["image"]]),
            width=size[0],
            height=size[1],
            actual=row["label"],
            predicted=row["predicted"],
            confidence=round(float(row["confidence"]), 4),
            in_scope=not out[at],
            probabilities={name: round(float(row[name]), 4) for name in classes(shown)},
            picture=pictures.of_image(images[row["image"]].read()),
        )
        for at, row in shown.iterrows()
    ]
