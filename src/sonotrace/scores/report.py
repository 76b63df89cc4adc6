"""The two files of metrics: the headline figures, and every figure with its interval."""

from typing import Any

import numpy as np

Metrics = tuple[dict[str, Any], dict[str, Any]]
"""What the headline file and the detail file of a data set hold."""


def arranged(
    per_class: str, found: dict[str, tuple[float, float, float]], counts: dict[str, int], classes: dict[str, int]
) -> Metrics:
    """Arrange the headline file and the detail file; figures that are undefined are null.

    `found` is score or `score.class` -> value and the ends of its interval, `classes` class -> number of
    examples, `per_class` the key that holds the scores of the classes.
    """
    headline = {name: _number(value) for name, (value, _, _) in found.items() if "." not in name}
    detail: dict[str, Any] = {"interval": "95 %, bootstrap over patients", **counts, "overall": {}}
    detail[per_class] = {name: {"n": count} for name, count in classes.items()}
    for name, (value, low, high) in found.items():
        score, _, class_name = name.partition(".")
        place = detail[per_class][class_name] if class_name else detail["overall"]
        place[score] = figure(value, low, high)
    return headline | counts, detail


def figure(value: float, low: float, high: float) -> dict[str, float | None]:
    """Return a score and the ends of its interval as the files hold them, four decimals."""
    return {"value": _number(value), "low": _number(low), "high": _number(high)}


def files(headline: dict[str, Any], detail: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return ending of the file's name -> content of each of `metrics/<data set><ending>.json`.

    The ends of the intervals are files of their own, with the headline's keys: `dvc metrics show` then has a row
    for each end, and not a column.
    """
    ends = {end: {score: figure[end] for score, figure in detail["overall"].items()} for end in ("low", "high")}
    return {"": headline, "_detail": detail, "_low": ends["low"], "_high": ends["high"]}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
