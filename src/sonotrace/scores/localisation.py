"""How tightly structures are outlined, how far their boxes are off, and how often there are more than a head has.

A distance is that between the centres of a detected box (IoU 0.5, confidence of `evaluate`) and the true one: in px of
the image as it was pulled, and in mm where the snapshot states the pixel spacing.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.images.preparation import Placement, Preparation
from sonotrace.kinds.structures import AT_MOST, STRUCTURES
from sonotrace.params.evaluate import EvaluateOne, EvaluateStructures
from sonotrace.scores.intervals import with_intervals
from sonotrace.scores.report import figure
from sonotrace.scores.structures import THRESHOLDS, FreeResponse, Matched, matched, precisions_by_structure

FALSE_BOXES = (0.125, 0.25, 0.5, 1, 2, 4)
"""False boxes an image at which recall is stated."""

NAMES = (("all", None), *((name, at) for at, name in enumerate(STRUCTURES)))
"""What each measure is given for, and the index of that structure."""

Rows = NDArray[np.int64]


def by_structure(
    predictions: pd.DataFrame,
    test: pd.DataFrame,
    boxes: pd.DataFrame,
    preparation: Preparation,
    params: EvaluateOne,
) -> dict[str, Any]:
    """Return what `metrics/<data set>_localisation.json` holds; nothing for planes, which have no boxes.

    `test` are rows of `split.csv`; predictions and boxes are in px of the prepared image. Each measure is given over
    all structures and for each, with an interval over patients:

    - `ap_by_iou`: average precision at each IoU; over all, the mean of the structures that have boxes;
    - `recall_by_false_boxes`: share of the true boxes found with so many false boxes an image, of all structures;
    - `distance_px`, `distance_mm`: median distance of the centres;
    - `more_than_anatomy`: share of the images with more boxes of a structure than a head has.
    """
    if not isinstance(params, EvaluateStructures):
        return {}
    pairs = matched(predictions, test, boxes)
    sizes = zip(test["width"], test["height"], strict=True)
    spacings = zip(test["mm_per_px_x"], test["mm_per_px_y"], strict=True)
    distances = [
        _distances(pair, preparation.placement(*size), spacing, params.confidence)
        for pair, size, spacing in zip(pairs, sizes, spacings, strict=True)
    ]
    breaks = np.array([_breaks(pair, params.confidence) for pair in pairs]).reshape(len(pairs), len(STRUCTURES))

    def score(rows: Rows) -> dict[str, float]:
        own = [pairs[at] for at in rows]
        found = _average_precisions(own) | _recalls(own)
        for at, unit in enumerate(("px", "mm")):
            own_distances = np.concatenate([distances[row] for row in rows])
            found |= {f"distance_{unit}/{name}": _median(own_distances, at, of) for name, of in NAMES}
        found["more_than_anatomy/all"] = float(breaks[rows].any(axis=1).mean())
        return found | {
            f"more_than_anatomy/{name}": float(breaks[rows, at].mean()) for at, name in enumerate(STRUCTURES)
        }

    content: dict[str, Any] = {
        "interval": "95 %, bootstrap over patients",
        "n_images": len(test),
        "n_patients": int(test["patient"].nunique()),
        "n_found": int(sum(len(one) for one in distances)),
    }
    for name, values in with_intervals(score, list(test["patient"]), params.bootstrap, params.seed).items():
        *place, last = name.split("/")
        inner = content
        for key in place:
            inner = inner.setdefault(key, {})
        inner[last] = figure(*values)
    return content


def in_words(content: dict[str, Any]) -> str:
    """State the distances, and how often there are too many boxes, on one line, as printed by evaluate."""
    distance = {unit: content[f"distance_{unit}"]["all"]["value"] for unit in ("px", "mm")}
    if distance["px"] is None:
        return "no structure was found"
    said = f"{distance['px']:.1f} px" + ("" if distance["mm"] is None else f", {distance['mm']:.1f} mm")
    broken = content["more_than_anatomy"]["all"]["value"]
    return (
        f"the centres of {content['n_found']} detected boxes are off by {said} (median); {broken:.1%} of "
        f"{content['n_images']} images have more boxes of a structure than a head has"
    )


def _average_precisions(images: list[Matched]) -> dict[str, float]:
    values = precisions_by_structure(images, len(STRUCTURES))
    found: dict[str, float] = {}
    for threshold, own in zip(THRESHOLDS, values.T, strict=True):
        present = own[~np.isnan(own)]
        found[f"ap_by_iou/{threshold:.2f}/all"] = float(present.mean()) if len(present) else np.nan
        found |= {f"ap_by_iou/{threshold:.2f}/{name}": float(own[at]) for at, name in enumerate(STRUCTURES)}
    return found


def _recalls(images: list[Matched]) -> dict[str, float]:
    response = FreeResponse(images)
    found: dict[str, float] = {}
    for false in FALSE_BOXES:
        found |= {f"recall_by_false_boxes/{false:g}/{name}": response.recall(false, of) for name, of in NAMES}
    return found


def _distances(pair: Matched, place: Placement, spacing: tuple[str, str], confidence: float) -> NDArray[np.float64]:
    """Return structure, px and mm (NaN where unknown) of each box found in an image, shape (found, 3)."""
    rows = np.flatnonzero((pair.taken >= 0) & (pair.confidence >= confidence))
    found = place.to_original(pair.places[rows])
    true = place.to_original(pair.true_places[pair.taken[rows]])
    off = (found[:, :2] + found[:, 2:] - true[:, :2] - true[:, 2:]) / 2
    in_mm = off * [float(one or "nan") for one in spacing]
    return np.column_stack([pair.predicted[rows], np.hypot(*off.T), np.hypot(*in_mm.T)])


def _median(found: NDArray[np.float64], unit: int, structure: int | None) -> float:
    if structure is not None:
        found = found[found[:, 0] == structure]
    values = found[:, 1 + unit]
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else np.nan


def _breaks(pair: Matched, confidence: float) -> list[bool]:
    """Say of each structure whether an image is given more boxes of it than a head has."""
    counts = np.bincount(pair.predicted[pair.confidence >= confidence], minlength=len(STRUCTURES))
    return [bool(counts[at] > AT_MOST[name]) for at, name in enumerate(STRUCTURES)]
