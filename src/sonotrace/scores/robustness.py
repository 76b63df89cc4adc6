"""Whether a classifier goes by the anatomy: its accuracy on changed versions of the test images (`images.overlays`)."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.images.overlays import CHANGES
from sonotrace.kinds.kind import Kind
from sonotrace.params.evaluate import EvaluateOne
from sonotrace.scores.intervals import with_intervals
from sonotrace.scores.report import figure


def by_change(kind: Kind, predictions: pd.DataFrame, changed: pd.DataFrame, params: EvaluateOne) -> dict[str, Any]:
    """Return what `metrics/<data set>_robustness.json` holds; no change where the labels are boxes.

    `predictions` are those of the images as they are, `changed` has the columns CHANGED_COLUMNS. Of each change:
    `accuracy`, its `difference` from that of the images as they are (below 0 where the change does harm), and the
    share of answers that are `other` ones; intervals are paired, over the same patients. `worst` is the change with
    the lowest accuracy, None where none has a lower one than the images as they are.
    """
    if kind.has_boxes:
        return {"changes": {}, "worst": None}
    label, before = predictions["label"].to_numpy(), predictions["predicted"].to_numpy()
    after = {
        name: changed[changed["change"] == name].set_index("image")["predicted"].loc[predictions["image"]].to_numpy()
        for name in CHANGES
    }

    def score(rows: NDArray[np.int64]) -> dict[str, float]:
        accuracy = float((before[rows] == label[rows]).mean())
        found = {"accuracy": accuracy}
        for name, answers in after.items():
            changed_accuracy = float((answers[rows] == label[rows]).mean())
            found[f"accuracy.{name}"] = changed_accuracy
            found[f"difference.{name}"] = changed_accuracy - accuracy
            found[f"other.{name}"] = float((answers[rows] != before[rows]).mean())
        return found

    found = with_intervals(score, list(predictions["patient"]), params.bootstrap, params.seed)
    changes = {
        name: {part: figure(*found[f"{part}.{name}"]) for part in ("accuracy", "difference", "other")}
        for name in CHANGES
    }
    worst = min(CHANGES, key=lambda name: found[f"accuracy.{name}"][0])
    return {
        "score": "accuracy",
        "interval": "95 %, bootstrap over patients",
        "n_images": len(predictions),
        "n_patients": int(predictions["patient"].nunique()),
        "as_is": figure(*found["accuracy"]),
        "changes": changes,
        "worst": worst if found[f"difference.{worst}"][0] < 0 else None,
    }


def worst_in_words(content: dict[str, Any]) -> str:
    """Name the change that costs most on one line, as printed by evaluate."""
    name = content["worst"]
    if name is None:
        return "no change of overlays, and no mirroring, costs accuracy"
    change = content["changes"][name]
    value, low, high = (change["difference"][part] for part in ("value", "low", "high"))
    return (
        f"accuracy suffers most from {name.replace('_', ' ')}: {content['as_is']['value']:.3f} becomes "
        f"{change['accuracy']['value']:.3f} (difference {value:.3f}, 95 % {low:.3f} to {high:.3f}), "
        f"{change['other']['value']:.1%} of answers are other ones"
    )
