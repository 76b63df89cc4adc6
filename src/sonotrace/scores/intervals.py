"""95 % intervals by bootstrap over patients.

Images of one patient resemble each other, so patients are drawn, with replacement, and bring all
their images (cluster bootstrap; Field & Welsh 2007). The interval is the 2.5th to 97.5th percentile.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95


def resamples(patients: Sequence[str], count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield `count` samples of row indices, each of as many patients as there are."""
    _, codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    rows = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
    random = np.random.default_rng(seed)
    for _ in range(count):
        yield np.concatenate([rows[drawn] for drawn in random.integers(0, len(rows), len(rows))])


def with_intervals(
    score: Callable[[NDArray[np.int64]], dict[str, float]], patients: Sequence[str], count: int, seed: int
) -> dict[str, tuple[float, float, float]]:
    """Return name -> (value, low, high) for the scores that `score` computes on row indices.

    A score that a resample leaves undefined (NaN) is left out of its interval; a score that is
    undefined on all rows is NaN throughout.
    """
    values = score(np.arange(len(patients)))
    drawn = [score(rows) for rows in resamples(patients, count, seed)]
    tail = (1 - LEVEL) / 2
    found = {}
    for name, value in values.items():
        sample = np.array([other[name] for other in drawn])
        sample = sample[~np.isnan(sample)]
        low, high = np.quantile(sample, [tail, 1 - tail]) if sample.size else (np.nan, np.nan)
        found[name] = (value, float(low), float(high))
    return found
