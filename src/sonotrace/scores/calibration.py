"""Whether probabilities mean what they say, and how errors fall when the least certain images are left out.

`truth` has shape (n,) and holds column numbers of `probabilities`, shape (n, classes). The confidence of an image
is its highest probability.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BINS = 15
"""Bins of equal width between 0 and 1, as in Guo et al. (2017, On calibration of modern neural networks)."""
COVERAGE = 0.9
"""Share of the images that `error_at_90_coverage` looks at, the most certain ones."""

Confidence = NDArray[np.float64]
"""Shape (n,), 0 to 1."""
Correct = NDArray[np.bool_]
"""Shape (n,): whether the plane of the highest probability is the right one."""


def scores(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, float]:
    """Return ECE, Brier score and error at 90 % coverage; the lower, the better.

    The Brier score is the squared distance to the truth, summed over the classes (Brier 1950), so 0 to 2.
    """
    confidence, correct = answers(truth, probabilities)
    squared = np.square(probabilities).sum(axis=1) + 1 - 2 * probabilities[np.arange(len(truth)), truth]
    return {
        "ece": expected_calibration_error(confidence, correct),
        "brier": float(squared.mean()),
        "error_at_90_coverage": error_at_coverage(confidence, correct, COVERAGE),
    }


def answers(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> tuple[Confidence, Correct]:
    """Return the confidence of each image, and whether its most probable plane is right."""
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == truth


def expected_calibration_error(confidence: Confidence, correct: Correct) -> float:
    """Return the distance between confidence and accuracy, averaged over the images: 0 where they agree in each bin.

    With few images it is above 0 even for a calibrated model, since the accuracy of a bin varies by chance, and
    a bootstrap adds to that: the interval of an ECE lies high.
    """
    gap = np.bincount(_bins(confidence), confidence - correct, BINS)
    return float(np.abs(gap).sum() / len(confidence))


def _bins(confidence: Confidence) -> NDArray[np.int64]:
    """Return the bin of each image, 0 to BINS - 1; a bin includes its lower edge, the last one both."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def error_at_coverage(confidence: Confidence, correct: Correct, coverage: float) -> float:
    """Return the share of wrong answers among the most certain images, `coverage` of all.

    Of images that are as certain as the least certain of them, each counts in part, so that their order does
    not matter.
    """
    count = len(confidence)
    kept = math.ceil(round(coverage * count, 9))
    cut = np.partition(confidence, count - kept)[count - kept]
    above, tied = confidence > cut, confidence == cut
    wrong = (~correct[above]).sum() + (~correct[tied]).mean() * (kept - above.sum())
    return float(wrong / kept)


def reliability(confidence: Confidence, correct: Correct) -> pd.DataFrame:
    """Return the reliability diagram: bin (from 1), mean_confidence, accuracy and n of each bin that has images."""
    bins = _bins(confidence)
    counts = np.bincount(bins, minlength=BINS)
    used = np.flatnonzero(counts)
    means = {
        name: (np.bincount(bins, values, BINS)[used] / counts[used]).round(6)
        for name, values in (("mean_confidence", confidence), ("accuracy", correct))
    }
    return pd.DataFrame({"bin": used + 1, **means, "n": counts[used]})


def risk_coverage(confidence: Confidence, correct: Correct) -> pd.DataFrame:
    """Return the risk-coverage curve: coverage and error, one row for each confidence that occurs, falling.

    A row's images are those that are at least as certain (El-Yaniv & Wiener 2010).
    """
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.diff(confidence[order], append=-1.0))
    wrong = np.cumsum(~correct[order])[ends]
    return pd.DataFrame({"coverage": (ends + 1) / len(order), "error": wrong / (ends + 1)}).round(6)
