"""How well a classifier tells images that are none of its classes from those that are.

A table of predictions has the columns of `scores.planes`, and `data_set`: the data set that the image is from, or
GENERATED. The images of the data set that the model was trained on are in scope, all others are not.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.params.evaluate_scope import EvaluateScope
from sonotrace.scores.intervals import with_intervals
from sonotrace.scores.planes import area_under_roc
from sonotrace.scores.report import Metrics, arranged

GENERATED = "generated"
"""In the column `data_set`: generated images of noise, which are of no data set."""

KEPT = 0.95
"""Share of the images in scope that the threshold of `fpr95` keeps."""

_NOT_PROBABILITIES = ("data_set", "image", "patient", "label", "predicted", "scope", "in_scope")


def metrics(predictions: pd.DataFrame, test: Any, boxes: Any, params: EvaluateScope) -> Metrics:  # noqa: ARG001
    """Return the contents of the headline file and the detail file, from the table of predictions alone."""
    inside = (predictions["data_set"] == params.trained_on).to_numpy()
    labels = predictions["label"].where(~inside, "").to_numpy()
    names = sorted(set(labels[~inside]))
    scope, accepted = answers(predictions)
    patients = predictions["data_set"] + " " + predictions["patient"]
    found = with_intervals(
        lambda rows: scores(scope[rows], accepted[rows], inside[rows], labels[rows], names),
        list(patients),
        params.bootstrap,
        params.seed,
    )
    counts = {
        "n_images": int((~inside).sum()),
        "n_patients": int(patients[~inside].nunique()),
        "n_images_in_scope": int(inside.sum()),
    }
    return arranged("per_label", found, counts, {name: int((labels == name).sum()) for name in names})


def answers(predictions: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how surely each image is in scope, higher for more surely, and 1 where the model accepted it, else 0.

    A model that cannot refuse states no score: its own is the highest probability then, and whether it would accept
    an image is NaN.
    """
    if "scope" in predictions and predictions["scope"].notna().all():
        beyond = predictions["scope"].to_numpy(np.float64)  # the limit, so it grows with unlikeness
        return -beyond, (predictions["in_scope"] == "true").to_numpy(np.float64)
    names = [name for name in predictions.columns if name not in _NOT_PROBABILITIES]
    return predictions[names].to_numpy(np.float64).max(axis=1), np.full(len(predictions), np.nan)


def scores(
    scope: NDArray[np.float64],
    accepted: NDArray[np.float64],
    inside: NDArray[np.bool_],
    labels: NDArray[np.object_],
    names: list[str],
) -> dict[str, float]:
    """Return the scores of all images out of scope, and as `score.label` of those of each label; arrays of shape (n,).

    `roc_auc` is the chance that an image in scope has a higher score than one out of scope; `fpr95` the share of
    images out of scope that a threshold lets in which keeps KEPT of those in scope; `accepted` the share of images
    out of scope that the model itself lets in, and `accepted_in_scope` of those in scope.
    """
    known = np.sort(scope[inside])
    threshold = known[int((1 - KEPT) * len(known))] if len(known) else np.nan
    found = {"accepted_in_scope": _mean(accepted[inside])}
    for name in ("", *names):
        outside = ~inside & (labels == name if name else True)
        compared = inside | outside
        ending = f".{name}" if name else ""
        found |= {
            f"roc_auc{ending}": area_under_roc(inside[compared], scope[compared]),
            f"fpr95{ending}": _mean(scope[outside] >= threshold) if len(known) else float("nan"),
            f"accepted{ending}": _mean(accepted[outside]),
        }
    return found


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")
