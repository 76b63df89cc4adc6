"""How well planes are named: scores and curves from probabilities.

A table of predictions has the columns `tables.PLANE_PREDICTION_COLUMNS`, and one per plane with its probability.
Tables of before the classifier could refuse an image lack `scope` and `in_scope`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from sonotrace.params.evaluate import EvaluateOne
from sonotrace.scores import calibration
from sonotrace.scores.intervals import with_intervals
from sonotrace.scores.report import Metrics, arranged
from sonotrace.tables import PLANE_PREDICTION_COLUMNS

_LEAST = 1e-7
"""Probabilities below this count as this in the loss, as in Keras."""


def metrics(predictions: pd.DataFrame, test: pd.DataFrame, boxes: pd.DataFrame, params: EvaluateOne) -> Metrics:  # noqa: ARG001
    """Return the contents of the headline file and the detail file, from the table of predictions alone."""
    truth, probabilities, names = _truth_and_probabilities(predictions)
    kept = in_scope(predictions)
    found = with_intervals(
        lambda rows: scores(truth[rows], probabilities[rows], names) | {"in_scope": float(kept[rows].mean())},
        list(predictions["patient"]),
        params.bootstrap,
        params.seed,
    )
    counts = {"n_images": len(predictions), "n_patients": int(predictions["patient"].nunique())}
    return arranged("per_plane", found, counts, {name: int((truth == at).sum()) for at, name in enumerate(names)})


def plots(predictions: pd.DataFrame, test: pd.DataFrame, boxes: pd.DataFrame) -> dict[str, pd.DataFrame]:  # noqa: ARG001
    """Return name -> table of what is plotted.

    Pairs of actual and predicted plane, ROC and PR points, reliability diagram and risk-coverage curve.
    """
    truth, probabilities, names = _truth_and_probabilities(predictions)
    roc, pr = curves(truth, probabilities, names)
    pairs = predictions[["label", "predicted"]].rename(columns={"label": "actual"})
    answers = calibration.answers(truth, probabilities)
    return {
        "confusion": pairs,
        "roc": roc,
        "pr": pr,
        "reliability": calibration.reliability(*answers),
        "risk_coverage": calibration.risk_coverage(*answers),
    }


def in_scope(predictions: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which images the classifier did not refuse, shape (n,); all of them in a table without that column."""
    if "in_scope" not in predictions:
        return np.ones(len(predictions), np.bool_)
    return np.asarray(predictions["in_scope"] == "true", np.bool_)


def _truth_and_probabilities(predictions: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64], list[str]]:
    names = [name for name in predictions.columns if name not in PLANE_PREDICTION_COLUMNS]
    truth = np.array([names.index(label) for label in predictions["label"]], dtype=np.int64)
    return truth, predictions[names].to_numpy(np.float64), names


def scores(truth: NDArray[np.int64], probabilities: NDArray[np.float64], names: Sequence[str]) -> dict[str, float]:
    """Return loss, accuracy, balanced accuracy, macro-F1, ROC-AUC, those of `calibration` and each plane's scores.

    `truth` has shape (n,), `probabilities` (n, classes). Means over planes and the ROC-AUC (each
    plane against the rest, unweighted mean) take the planes that occur in `truth`; a plane that
    does not occur has recall and F1 NaN.
    """
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(names), len(names)))
    np.add.at(confusion, (truth, predicted), 1)
    hits, actual, called = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hits / actual
        precision = np.where(called > 0, hits / called, np.where(actual > 0, 0.0, np.nan))
        f1 = np.where(actual > 0, 2 * hits / (actual + called), np.nan)
    present = np.flatnonzero(actual)
    areas = [area_under_roc(truth == plane, probabilities[:, plane]) for plane in present]
    chosen = np.clip(probabilities[np.arange(len(truth)), truth], _LEAST, 1)
    found = {
        "loss": float(-np.log(chosen).mean()),
        "accuracy": float((predicted == truth).mean()),
        "balanced_accuracy": float(recall[present].mean()),
        "macro_f1": float(f1[present].mean()),
        "roc_auc": float(np.mean(areas)),
        **calibration.scores(truth, probabilities),
    }
    for kind, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        found |= {f"{kind}.{name}": float(value) for name, value in zip(names, values, strict=True)}
    return found


def area_under_roc(positive: NDArray[np.bool_], values: NDArray[np.float64]) -> float:
    """Return the chance that a positive has a larger value than a negative, ties counting half; NaN without either.

    That is the area under the ROC curve (Hanley & McNeil 1982), at a fiftieth of the cost of drawing
    the curve, which matters where it is computed for each of a thousand resamples.
    """
    found, negatives = values[positive], np.sort(values[~positive])
    if not len(found) or not len(negatives):
        return float("nan")
    below, up_to = (int(np.searchsorted(negatives, found, side).sum()) for side in ("left", "right"))
    return (below + up_to) / 2 / (len(found) * len(negatives))


def curves(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], names: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ROC points (class, false_positive_rate, true_positive_rate) and PR points (class, recall, precision).

    Planes that are absent, or all there is, have no curve.
    """
    roc = [pd.DataFrame(columns=["class", "false_positive_rate", "true_positive_rate"])]
    pr = [pd.DataFrame(columns=["class", "recall", "precision"])]
    for index, name in enumerate(names):
        is_plane = truth == index
        if is_plane.all() or not is_plane.any():
            continue
        false_rate, true_rate, _ = roc_curve(is_plane, probabilities[:, index])
        roc.append(pd.DataFrame({"class": name, "false_positive_rate": false_rate, "true_positive_rate": true_rate}))
        precision, recall, _ = precision_recall_curve(is_plane, probabilities[:, index])
        pr.append(pd.DataFrame({"class": name, "recall": recall, "precision": precision}))
    return pd.concat(roc[1:] or roc).round(6), pd.concat(pr[1:] or pr).round(6)
