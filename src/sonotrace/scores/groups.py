"""How good a model is in each group of images: by scanner, by site and, for planes, by label.

A model that is good overall can fail for one scanner, so the worst group is named. Groups are small, and among many
small groups one is bad by chance: read the interval, not the value alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.kinds.kind import Kind
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.params.evaluate import EvaluateOne, EvaluateStructures
from sonotrace.scores import structures
from sonotrace.scores.intervals import with_intervals
from sonotrace.scores.report import figure
from sonotrace.tables import NOT_STATED

FEWEST = 5
"""Images that a group needs to be called the worst."""

Rows = NDArray[np.int64]


def by_group(
    kind: Kind, predictions: pd.DataFrame, test: pd.DataFrame, boxes: pd.DataFrame, params: EvaluateOne
) -> dict[str, Any]:
    """Return what `metrics/<data set>_groups.json` holds: scanner, site and label -> group -> its score.

    `test` are the rows of `split.csv` that `predictions` is about; scores are accuracy for planes and mAP50 for
    structures. A group of one patient has no interval. `worst` is the group with the lowest score among those of at
    least FEWEST images, where the images are of more than one scanner, site or label; None where there is no such
    group.
    """
    name, score = _score(predictions, test, boxes, params)
    criteria = {by: test[by].replace("", NOT_STATED) for by in ("scanner", "site")}
    if not kind.has_boxes:
        criteria["label"] = test["label"]
    content: dict[str, Any] = {"score": name, "interval": "95 %, bootstrap over patients", "worst": None}
    for by, values in criteria.items():
        content[by] = {
            str(group): _scored(name, score, np.flatnonzero(values == group), test["patient"], params)
            for group in sorted(values.unique())
        }
    content["worst"] = _worst(name, {by: content[by] for by in criteria})
    return content


def _score(
    predictions: pd.DataFrame, test: pd.DataFrame, boxes: pd.DataFrame, params: EvaluateOne
) -> tuple[str, Callable[[Rows], float]]:
    """Return the name of the score, and what computes it on rows of `test`."""
    if isinstance(params, EvaluateStructures):
        pairs, confidence = structures.matched(predictions, test, boxes), params.confidence
        return "map50", lambda rows: structures.scores([pairs[at] for at in rows], STRUCTURES, confidence)["map50"]
    predicted = predictions.set_index("image")["predicted"].loc[test["image"]]
    hits = predicted.to_numpy() == test["label"].to_numpy()
    return "accuracy", lambda rows: float(hits[rows].mean())


def _scored(
    name: str, score: Callable[[Rows], float], rows: Rows, patients: pd.Series, params: EvaluateOne
) -> dict[str, Any]:
    own = list(patients.iloc[rows])
    found = with_intervals(lambda chosen: {name: score(rows[chosen])}, own, params.bootstrap, params.seed)[name]
    if len(set(own)) < 2:
        found = (found[0], np.nan, np.nan)
    return {"n_images": len(rows), "n_patients": len(set(own)), name: figure(*found)}


def _worst(name: str, criteria: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    candidates = [
        {"by": by, "group": group, **scored}
        for by, groups in criteria.items()
        for group, scored in groups.items()
        if len(groups) > 1 and scored["n_images"] >= FEWEST and scored[name]["value"] is not None
    ]
    return min(candidates, key=lambda one: one[name]["value"], default=None)


def worst_in_words(content: dict[str, Any]) -> str:
    """Name the worst group on one line, as printed by evaluate and `sonotrace metrics`."""
    worst = content["worst"]
    if worst is None:
        return f"no groups to compare: one scanner, site and label, or fewer than {FEWEST} images in every group"
    value, low, high = (worst[content["score"]][part] for part in ("value", "low", "high"))
    interval = "one patient, so no interval" if low is None else f"95 % {low:.3f} to {high:.3f}"
    return (
        f"worst group: {worst['by']} {worst['group']}, {content['score']} {value:.3f} ({interval}), "
        f"{worst['n_images']} images of {worst['n_patients']} patients"
    )
