"""How well structures are found: average precision and scores at one confidence.

A table of predictions has the columns image, structure, confidence and the corners of a box, one row per box.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.images.boxes import Boxes, overlap
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.params.evaluate import EvaluateStructures
from sonotrace.scores.intervals import with_intervals
from sonotrace.scores.report import Metrics, arranged
from sonotrace.tables import CORNERS

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Intersections over union at which a box counts as found (COCO; Lin et al. 2014)."""
MOST_FALSE = 4
"""False boxes an image up to which the free-response curve is drawn."""


@dataclass(frozen=True)
class Matched:
    """One image's predictions against its boxes: structure indices, confidences and hits."""

    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    hits: NDArray[np.bool_]
    truth: NDArray[np.int64]
    places: NDArray[np.float64]
    """Of the predicted boxes: their corners, shape (predictions, 4), px."""
    true_places: NDArray[np.float64]
    taken: NDArray[np.int64]
    """Index of the true box that a prediction takes at IoU 0.5; -1 for none."""


def metrics(predictions: pd.DataFrame, test: pd.DataFrame, boxes: pd.DataFrame, params: EvaluateStructures) -> Metrics:
    """Return the contents of the headline file and the detail file, from the tables of predictions and true boxes."""
    return _measured([matched(predictions, test, boxes)], test, boxes, params)


def over_folds(found: pd.DataFrame, unseen: pd.DataFrame, boxes: pd.DataFrame, params: EvaluateStructures) -> Metrics:
    """Return what `metrics/<data set>_folds.json` and `_folds_detail.json` hold.

    `found` has the columns `fold` and `seed` too: each image of `unseen` was asked about by the net of its fold, once
    for each seed, and each score is the mean over the seeds. Beside the scores stand mAP50 by fold and by seed.
    """
    pairs = {seed: matched(rows, unseen, boxes) for seed, rows in found.groupby("seed", sort=True)}
    headline, detail = _measured(list(pairs.values()), unseen, boxes, params)
    rows_of = {fold: rows.index for fold, rows in unseen.groupby("fold", sort=True)}
    by_seed = {str(seed): _map50(own, params) for seed, own in pairs.items()}
    by_fold = {
        str(fold): np.mean([_map50([own[at] for at in rows], params) for own in pairs.values()])
        for fold, rows in rows_of.items()
    }
    spread = {
        key: {name: None if np.isnan(value) else round(float(value), 4) for name, value in one.items()}
        for key, one in (("map50_by_fold", by_fold), ("map50_by_seed", by_seed))
    }
    return headline | spread, detail | spread


def of_lowest_seed(found: pd.DataFrame) -> pd.DataFrame:
    """Return the boxes that the folds' detectors with the lowest seed found, as `metrics` takes them."""
    seeds = found["seed"].astype(int)
    return found[seeds == seeds.min()].drop(columns=["fold", "seed"]).reset_index(drop=True)


def _map50(images: Sequence[Matched], params: EvaluateStructures) -> float:
    return scores(images, STRUCTURES, params.confidence)["map50"]


def _measured(
    answers: Sequence[list[Matched]], test: pd.DataFrame, boxes: pd.DataFrame, params: EvaluateStructures
) -> Metrics:
    """Measure the answers of one net, or the mean over those of several nets on the same images."""

    def score(chosen: NDArray[np.int64]) -> dict[str, float]:
        each = [scores([one[at] for at in chosen], STRUCTURES, params.confidence) for one in answers]
        return {name: float(np.mean([one[name] for one in each])) for name in each[0]}

    found = with_intervals(score, list(test["patient"]), params.bootstrap, params.seed)
    own = boxes[boxes["image"].isin(test["image"])]
    counts = {"n_images": len(test), "n_patients": int(test["patient"].nunique()), "n_boxes": len(own)}
    return arranged(
        "per_structure", found, counts, {name: int((own["structure"] == name).sum()) for name in STRUCTURES}
    )


def plots(predictions: pd.DataFrame, test: pd.DataFrame, boxes: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return name -> table of what is plotted: precision-recall and free-response points."""
    pairs = matched(predictions, test, boxes)
    return {"pr": pr_curve(pairs, STRUCTURES), "free_response": free_response(pairs, STRUCTURES)}


def matched(predictions: pd.DataFrame, test: pd.DataFrame, boxes: pd.DataFrame) -> list[Matched]:
    """Set the boxes found in each test image against its true ones."""
    found_in = {str(image): rows for image, rows in predictions.groupby("image")}
    true_in = {str(image): rows for image, rows in boxes.groupby("image")}
    pairs = []
    for image in test["image"]:
        found, own = found_in.get(image, predictions[:0]), true_in.get(image, boxes[:0])
        pairs.append(
            match(
                _indices(list(found["structure"])),
                found["confidence"].to_numpy(np.float64),
                found[CORNERS].to_numpy(np.float64),
                _indices(list(own["structure"])),
                own[CORNERS].to_numpy(np.float64),
            )
        )
    return pairs


def _indices(names: list[str]) -> Any:
    return np.array([STRUCTURES.index(name) for name in names], dtype=np.int64)


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
    taken = np.full(len(predicted), -1)
    for level, threshold in enumerate(THRESHOLDS):
        free = np.ones(len(truth), bool)
        for row, values in enumerate(overlaps):
            best = int(np.argmax(values * free)) if len(truth) else 0
            if len(truth) and free[best] and values[best] >= threshold:
                hits[row, level] = True
                free[best] = False
                if level == 0:
                    taken[row] = best
    return Matched(predicted, confidence, hits, truth, found, boxes, taken)


def scores(images: Sequence[Matched], names: Sequence[str], confidence: float) -> dict[str, float]:
    """Return mAP50, mAP50-95, precision, recall and F1, over structures and for each, and recall at one false box.

    Average precision is Ultralytics' own (101 points, COCO), over all predictions; precision,
    recall and F1 are at IoU 0.5 and the given confidence, which no test image has chosen. Means
    take the structures that have boxes; others are NaN. `recall_at_1_false_box` is the share of all
    true boxes that is found when the images have one false box each, on average (`FreeResponse`).
    """
    hits = np.concatenate([image.hits for image in images])
    certain = np.concatenate([image.confidence for image in images])
    predicted = np.concatenate([image.predicted for image in images])
    truth = np.concatenate([image.truth for image in images])
    precisions = precisions_by_structure(images, len(names))
    per: dict[str, list[float]] = {"ap50": [], "ap50_95": [], "precision": [], "recall": [], "f1": []}
    for index in range(len(names)):
        taken = (predicted == index) & (certain >= confidence)
        found, called, actual = float(hits[taken, 0].sum()), int(taken.sum()), int((truth == index).sum())
        per["ap50"].append(float(precisions[index, 0]))
        per["ap50_95"].append(float(precisions[index].mean()))
        per["precision"].append(found / called if called else (0.0 if actual else np.nan))
        per["recall"].append(found / actual if actual else np.nan)
        per["f1"].append(2 * found / (called + actual) if actual else np.nan)
    present = sorted(set(truth.tolist()))
    means = {"map50": "ap50", "map50_95": "ap50_95", "precision": "precision", "recall": "recall", "f1": "f1"}
    result = {
        name: float(np.mean([per[kind][at] for at in present])) if present else np.nan for name, kind in means.items()
    }
    result["recall_at_1_false_box"] = FreeResponse(images).recall(1)
    for kind, values in per.items():
        result |= {f"{kind}.{name}": value for name, value in zip(names, values, strict=True)}
    return result


def precisions_by_structure(images: Sequence[Matched], count: int) -> NDArray[np.float64]:
    """Return the average precision of each of `count` structures at each threshold; NaN where it has no boxes."""
    hits = np.concatenate([image.hits for image in images])
    certain = np.concatenate([image.confidence for image in images])
    predicted = np.concatenate([image.predicted for image in images])
    truth = np.concatenate([image.truth for image in images])
    found = np.full((count, len(THRESHOLDS)), np.nan)
    for structure in np.unique(truth):
        rows = predicted == structure
        found[structure] = average_precisions(hits[rows], certain[rows], int((truth == structure).sum()))
    return found


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


class FreeResponse:
    """How many true boxes are found, at IoU 0.5, with how many false ones (Bunch et al. 1978; FROC).

    The confidence from which boxes count is one for all structures and images. Boxes of equal confidence count
    together, since no limit can part them.
    """

    def __init__(self, images: Sequence[Matched]) -> None:
        certain = np.concatenate([image.confidence for image in images])
        order = np.argsort(-certain, kind="stable")
        certain = certain[order]
        hits = np.concatenate([image.hits[:, 0] for image in images])[order]
        last = np.append(certain[1:] != certain[:-1], True)[: len(certain)]
        self._predicted = np.concatenate([image.predicted for image in images])[order]
        self._hits = hits
        self._truth = np.concatenate([image.truth for image in images])
        self._images = len(images)
        self.ends = np.flatnonzero(last)
        """Where one can stop counting boxes, in the order of falling confidence."""
        self.false = (~hits).cumsum()[self.ends] / max(len(images), 1)
        """False boxes an image, at each of `ends`."""

    def found(self, structure: int | None = None) -> NDArray[np.float64]:
        """Return the share of the true boxes found, all or those of a structure, at each of `ends`."""
        chosen = self._hits if structure is None else self._hits & (self._predicted == structure)
        count = len(self._truth) if structure is None else int((self._truth == structure).sum())
        return chosen.cumsum()[self.ends] / count if count else np.full(len(self.ends), np.nan)

    def recall(self, false: float, structure: int | None = None) -> float:
        """Return the share of the true boxes found with at most `false` false boxes an image; NaN without boxes."""
        if not len(self._truth) or (structure is not None and not (self._truth == structure).any()):
            return np.nan
        possible = np.flatnonzero(self.false <= false)
        return float(self.found(structure)[possible[-1]]) if len(possible) else 0.0


def free_response(images: Sequence[Matched], names: Sequence[str]) -> pd.DataFrame:
    """Return the points (class, false_boxes, recall) up to MOST_FALSE false boxes an image; the class `all` is all."""
    response = FreeResponse(images)
    shown = response.false <= MOST_FALSE
    tables = []
    for structure, name in [(None, "all"), *enumerate(names)]:
        recall = response.found(structure)[shown]
        if not np.isnan(recall).any():
            tables.append(pd.DataFrame({"class": name, "false_boxes": response.false[shown], "recall": recall}))
    empty = pd.DataFrame(columns=["class", "false_boxes", "recall"])
    return pd.concat([table for table in tables if len(table)] or [empty]).round(6)


def pr_curve(images: Sequence[Matched], names: Sequence[str]) -> pd.DataFrame:
    """Return the points (class, recall, precision, confidence) at IoU 0.5."""
    tables = [pd.DataFrame(columns=["class", "recall", "precision", "confidence"])]
    for index, name in enumerate(names):
        boxes = sum(int((image.truth == index).sum()) for image in images)
        certain = np.concatenate([image.confidence[image.predicted == index] for image in images])
        hits = np.concatenate([image.hits[image.predicted == index] for image in images])
        if boxes and len(hits):
            precision, recall = _curve(hits[:, :1], certain, boxes)
            table = {"recall": recall[:, 0], "precision": precision[:, 0], "confidence": np.sort(certain)[::-1]}
            tables.append(pd.DataFrame({"class": name, **table}))
    return pd.concat(tables[1:] or tables).round(6)
