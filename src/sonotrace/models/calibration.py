"""Temperature scaling: make a classifier's probabilities mean what they say, by one number.

A net's logits are divided by the temperature (Guo et al. 2017, On calibration of modern neural networks), which
keeps the order of the classes. The logarithms of probabilities are the logits up to a constant that does not matter.
"""

import numpy as np
from numpy.typing import NDArray

RANGE = (0.05, 20.0)
"""Least and greatest temperature."""
LEAST_IMAGES = 20
"""With fewer held-out images the temperature stays 1: it would follow chance."""
_STEPS = 60
"""Halvings of the range, more than a float64 can tell apart."""
_LEAST = 1e-12
"""Probabilities below this count as this, as a logarithm needs."""

Probabilities = NDArray[np.float64]
"""Shape (n, classes)."""


def fit_temperature(probabilities: Probabilities, truth: NDArray[np.int64]) -> float:
    """Return the temperature with the least cross-entropy on held-out images; 1 with fewer than LEAST_IMAGES.

    `truth`, shape (n,), holds column numbers. The labels count as if one more image had been seen that is each class
    in equal parts. Without that, a held-out side that has no errors asks for a temperature of 0, which is certainty
    about every image; with it, certainty grows with the number of images that were seen without an error.
    """
    if len(truth) < LEAST_IMAGES:
        return 1.0
    logits = _logits(probabilities)
    targets = smoothed(truth, probabilities.shape[1])
    wanted = (targets * logits).sum(axis=1).mean()

    def slope(inverse: float) -> float:
        """Return the derivative of the cross-entropy by 1 / temperature, in which it is convex."""
        return float((_softmax(logits * inverse) * logits).sum(axis=1).mean() - wanted)

    low, high = 1 / RANGE[1], 1 / RANGE[0]
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return round(2 / (low + high), 6)


def smoothed(truth: NDArray[np.int64], classes: int) -> Probabilities:
    """Return what `fit_temperature` holds the probabilities to, shape (n, classes)."""
    share = 1 / (len(truth) + 1)
    return (1 - share) * np.eye(classes)[truth] + share / classes


def calibrated(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Return the probabilities at a temperature, shape (n, classes); at 1 they stay as they are."""
    return probabilities if temperature == 1 else _softmax(_logits(probabilities) / temperature)


def calibrated_by_others(
    probabilities: Probabilities, truth: NDArray[np.int64], folds: NDArray[np.str_]
) -> Probabilities:
    """Return each fold's probabilities at the temperature that fits all other folds, shape (n, classes).

    `folds`, shape (n,), names the fold of each row.
    """
    found = probabilities.copy()
    for fold in np.unique(folds):
        own = folds == fold
        found[own] = calibrated(probabilities[own], fit_temperature(probabilities[~own], truth[~own]))
    return found


def _logits(probabilities: Probabilities) -> Probabilities:
    return np.asarray(np.log(np.maximum(probabilities, _LEAST)), np.float64)


def _softmax(logits: Probabilities) -> Probabilities:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)
