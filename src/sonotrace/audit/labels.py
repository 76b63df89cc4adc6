"""Rank labels by how surely out-of-fold predictions disagree with them."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def ranked(table: pd.DataFrame, names: tuple[str, ...], probabilities: NDArray[np.float64]) -> pd.DataFrame:
    """Return one row an image, the most doubtful label first.

    `table` has the columns image, label, labelled_by and side; `probabilities`, shape
    (n, len(names)), come from classifiers that saw neither the image nor its patient. `score` is
    the probability of the given label (cleanlab's self-confidence): 0 surely wrong, 1 surely right.
    `suspected` marks the labels that confident learning holds for wrong: as many as the estimated
    joint distribution of given and true labels says, those with the largest margin (Northcutt et al.
    2021, "prune by noise rate", cleanlab's default).
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    given = np.array([names.index(label) for label in table["label"]])
    found = table[["image", "side", "labelled_by", "label"]].copy()
    found["suggested"] = [names[index] for index in probabilities.argmax(axis=1)]
    found["score"] = get_label_quality_scores(given, probabilities).round(6)
    suspected = find_label_issues(given, probabilities, n_jobs=1)
    found["suspected"] = np.where(suspected, "true", "false")
    found[list(names)] = probabilities
    found = found.sort_values(["score", "image"], kind="stable", ignore_index=True)
    found.insert(0, "rank", range(1, len(found) + 1))
    return found
