"""How well structures are found: average precision and scores at one confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.images.boxes import Boxes, overlap
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.tables import CORNERS

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Intersections over union at which a box counts as found (COCO; Lin et al. 2014)."""


@dataclass(frozen=True)
class Matched:
    """One image's predictions against its boxes: structure indices, confidences and hits."""

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    hits: NDArray[np.bool_]
    truth: NDArray[np.int64]


def match(
    predicted: NDArray[np.int64], confidence: NDArray[np.float64], found: Boxes, truth: NDArray[np.int64], boxes: Boxes
) -> Matched:
    """Match predictions to boxes; `hits` has shape (predictions, len(THRESHOLDS)).

    By falling confidence, each prediction takes the free box of its own structure that it overlaps
    most, at each threshold that the overlap reaches (COCO).
    """
    order = np.argsort(-confidence, kind="stable")
    predicted, confidence, found = predicted[order], confidence[order], found[order]
    overlaps = overlap(found, boxes) * (predicted[:, None] == truth[None, :])
    hits = np.zeros((len(predicted), len(THRESHOLDS)), bool)
    for level, threshold in enumerate(THRESHOLDS):
        free = np.ones(len(truth), bool)
        for row, values in enumerate(overlaps):
            best = int(np.argmax(values * free)) if len(truth) else 0
            if len(truth) and free[best] and values[best] >= threshold:
                hits[row, level] = True
                free[best] = False
    return Matched(predicted, confidence, hits, truth)


def matched(predictions: pd.DataFrame, images: pd.DataFrame, boxes: pd.DataFrame) -> list[Matched]:
    """Match the predictions for each row of `images`, by its image id, to the true boxes of that image.

    Predictions have the columns image, structure, confidence and the corners (px), true boxes the same
    but for the confidence.
    """
    found_in = {str(image): rows for image, rows in predictions.groupby("image")}
    true_in = {str(image): rows for image, rows in boxes.groupby("image")}
    pairs = []
    for image in images["image"]:
        found, own = found_in.get(image, predictions[:0]), true_in.get(image, boxes[:0])
        pairs.append(
            match(
                _indices(found["structure"]),
                found["confidence"].to_numpy(np.float64),
                found[CORNERS].to_numpy(np.float64),
                _indices(own["structure"]),
                own[CORNERS].to_numpy(np.float64),
            )
        )
    return pairs


def _indices(names: pd.Series) -> NDArray[np.int64]:
    return np.array([STRUCTURES.index(name) for name in names], dtype=np.int64)


def scores(images: Sequence[Matched], names: Sequence[str], confidence: float) -> dict[str, float]:
    """Return mAP50, mAP50-95, precision, recall and F1, over structures and for each.

    Average precision is Ultralytics' own (101 points, COCO), over all predictions; precision,
    recall and F1 are at IoU 0.5 and the given confidence, which no test image has chosen. Means
    take the structures that have boxes; others are NaN.
    """
    hits = np.concatenate([image.hits for image in images])
    certain = np.concatenate([image.confidence for image in images])
    predicted = np.concatenate([image.predicted for image in images])
    truth = np.concatenate([image.truth for image in images])
    precision50 = dict.fromkeys(range(len(names)), (np.nan, np.nan))
    for structure in np.unique(truth):
        rows = predicted == structure
        aps = average_precisions(hits[rows], certain[rows], int((truth == structure).sum()))
        precision50[int(structure)] = (float(aps[0]), float(aps.mean()))
    per: dict[str, list[float]] = {"ap50": [], "ap50_95": [], "precision": [], "recall": [], "f1": []}
    for index in range(len(names)):
        taken = (predicted == index) & (certain >= confidence)
        found, called, actual = float(hits[taken, 0].sum()), int(taken.sum()), int((truth == index).sum())
        per["ap50"].append(precision50[index][0])
        per["ap50_95"].append(precision50[index][1])
        per["precision"].append(found / called if called else (0.0 if actual else np.nan))
        per["recall"].append(found / actual if actual else np.nan)
        per["f1"].append(2 * found / (called + actual) if actual else np.nan)
    present = sorted(set(truth.tolist()))
    means = {"map50": "ap50", "map50_95": "ap50_95", "precision": "precision", "recall": "recall", "f1": "f1"}
    result = {
        name: float(np.mean([per[kind][at] for at in present])) if present else np.nan for name, kind in means.items()
    }
    for kind, values in per.items():
        result |= {f"{kind}.{name}": value for name, value in zip(names, values, strict=True)}
    return result


def average_precisions(hits: NDArray[np.bool_], confidence: NDArray[np.float64], boxes: int) -> NDArray[np.float64]:
    """Return the average precision of one structure at each threshold, shape (len(THRESHOLDS),)."""
    if not len(hits):
        return np.zeros(len(THRESHOLDS))
    precision, recall = _curve(hits, confidence, boxes)
    return np.array([_compute_ap()(recall[:, at], precision[:, at])[0] for at in range(len(THRESHOLDS))])


def _compute_ap() -> Any:
    from ultralytics.utils.metrics import compute_ap

    return compute_ap


def _curve(
    hits: NDArray[np.bool_], confidence: NDArray[np.float64], boxes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return precision and recall after each prediction by falling confidence, shape of `hits`."""
    order = np.argsort(-confidence, kind="stable")
    true = hits[order].cumsum(axis=0)
    return true / np.arange(1, len(hits) + 1)[:, None], true / boxes


def pr_curve(images: Sequence[Matched], names: Sequence[str]) -> pd.DataFrame:
    """Return the points (structure, recall, precision, confidence) at IoU 0.5."""
    tables = [pd.DataFrame(columns=["structure", "recall", "precision", "confidence"])]
    for index, name in enumerate(names):
        boxes = sum(int((image.truth == index).sum()) for image in images)
        certain = np.concatenate([image.confidence[image.predicted == index] for image in images])
        hits = np.concatenate([image.hits[image.predicted == index] for image in images])
        if boxes and len(hits):
            precision, recall = _curve(hits[:, :1], certain, boxes)
            table = {"recall": recall[:, 0], "precision": precision[:, 0], "confidence": np.sort(certain)[::-1]}
            tables.append(pd.DataFrame({"structure": name, **table}))
    return pd.concat(tables[1:] or tables).round(6)
