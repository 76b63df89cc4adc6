"""Whether one model scores better than another on the same images, by patient.

Patients are drawn with replacement, the same ones for both models, and bring all their images: the 95 %
interval of the difference is that of the paired cluster bootstrap (Field & Welsh 2007), as in
`intervals`. With few patients, or few images on which the models differ at all, that interval is too
narrow, so a difference only counts if a randomisation test agrees (Fisher 1935; Noreen 1989): if the
models were equal, it would not matter which of them made which prediction for a patient, so swapping
the predictions for random patients would give as large a difference more often than in one of twenty
swaps. That test is exact for equal models, whatever the score and however few the patients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonotrace.scores.intervals import LEVEL, resamples

Which = NDArray[np.int64]
Rows = NDArray[np.int64]
Score = Callable[[Which, Rows], dict[str, float]]
"""Computes scores on row indices, for each row with the predictions of the model (0 or 1) in `which`, same shape."""

COUNT = 1000
"""Number of resamples, and of swaps."""
SEED = 1
LOWER_IS_BETTER = ("loss", "ece", "brier", "error_at_90_coverage")
_EQUAL = 1e-12
"""Differences smaller than this are rounding errors."""


@dataclass(frozen=True)
class Difference:
    """A score of two models, and the 95 % interval of `b` minus `a`."""

    a: float
    b: float
    low: float
    high: float
    p: float
    """Two-sided, of the randomisation test; NaN if the interval contains 0, where the test is not needed."""
    verdict: str
    """`better`, `worse`, `not distinguishable`, or `undefined`."""

    @property
    def value(self) -> float:
        """Return `b` minus `a`."""
        return self.b - self.a


def differences(
    score: Score, patients: Sequence[str], count: int = COUNT, seed: int = SEED, same: bool = False
) -> dict[str, Difference]:
    """Return name -> difference of each score between model 1 and model 0.

    `patients` names the patient of each row. If the models predict the `same` throughout, nothing is
    drawn. A resample for which a score is undefined (NaN) does not count for its interval.
    """
    rows = np.arange(len(patients))
    a, b = _both(score, rows)
    drawn = [] if same else [_minus(*_both(score, sample)) for sample in resamples(patients, count, seed)]
    intervals = {name: _interval([other[name] for other in drawn], b[name] - a[name]) for name in a}
    tested = [name for name, (low, high) in intervals.items() if low > 0 or high < 0]
    swapped = _swapped(score, patients, count, seed) if tested else []
    made = {}
    for name, (low, high) in intervals.items():
        value = b[name] - a[name]
        p = _p([other[name] for other in swapped], value) if name in tested else float("nan")
        made[name] = Difference(a[name], b[name], low, high, p, _verdict(name, value, low, high, p))
    return made


def _both(score: Score, rows: Rows) -> tuple[dict[str, float], dict[str, float]]:
    return score(np.zeros_like(rows), rows), score(np.ones_like(rows), rows)


def _minus(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {name: other[name] - value for name, value in one.items()}


def _interval(drawn: Sequence[float], value: float) -> tuple[float, float]:
    """Return the percentile interval, which is the value alone if nothing was drawn."""
    sample = np.array(drawn)[~np.isnan(drawn)] if drawn else np.array([value])
    if not sample.size or np.isnan(value):
        return float("nan"), float("nan")
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(sample, [tail, 1 - tail])
    return float(low), float(high)


def _swapped(score: Score, patients: Sequence[str], count: int, seed: int) -> list[dict[str, float]]:
    """Return the differences after swapping the models' predictions for some patients.

    The first swaps none. With few patients, every way to swap counts, with more, `count` random ones.
    """
    rows = np.arange(len(patients))
    names, codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    if len(names) <= np.log2(count):
        ways = (np.arange(2 ** len(names))[:, None] >> np.arange(len(names))) & 1
    else:
        ways = np.random.default_rng(seed).integers(0, 2, (count, len(names)))
        ways[0] = 0
    return [_minus(score(way[codes], rows), score(1 - way[codes], rows)) for way in ways]


def _p(swapped: Sequence[float], value: float) -> float:
    """Return the share of swaps with at least as large a difference."""
    sample = np.abs(np.array(swapped)[~np.isnan(swapped)])
    return float((sample >= abs(value) - _EQUAL).mean())


def _verdict(name: str, value: float, low: float, high: float, p: float) -> str:
    if np.isnan([value, low, high]).any():
        return "undefined"
    same_side = low * value > 0 and high * value > 0
    if not same_side or p > 1 - LEVEL:
        return "not distinguishable"
    return "worse" if (value > 0) == (name in LOWER_IS_BETTER) else "better"


def independent(one: tuple[float, float, float], other: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return the difference `other` minus `one` of two independent samples and its interval, as (value, low, high).

    Both are given as (value, low, high). The interval comes from theirs by MOVER (Zou & Donner 2008,
    Statistics in Medicine 27:1693). A value outside its own interval, which a percentile bootstrap
    allows, counts as the nearer end.
    """
    value = other[0] - one[0]
    below = np.hypot(max(other[0] - other[1], 0), max(one[2] - one[0], 0))
    above = np.hypot(max(other[2] - other[0], 0), max(one[0] - one[1], 0))
    return value, value - float(below), value + float(above)
