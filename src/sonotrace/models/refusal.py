"""How far an image is from what a classifier was trained on, and where it stops naming a class.

The score is virtual-logit matching (Wang et al. 2022, ViM: out-of-distribution with virtual-logit matching), on
features of unit length. The features are what the net's last layer reads. What they have outside the few directions
in which those of the training images vary counts as one more class, whose logit is set against those of the real
ones. No single training image can be read from it, as it could from a search for the nearest ones.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

COVERAGE = 0.95
"""Share of images of the known classes that are to be named."""
DIRECTIONS = 16
"""Most directions in which training images are said to vary; 8 to 32 refuse about as well."""
_DECIMALS = 5
"""Of what is stored: sums of floats differ behind them, by the number of threads."""
_LEAST = 1e-9
"""Least length that is divided by."""

Features = NDArray[np.floating[Any]]
"""Shape (n, features)."""
Scores = NDArray[np.float64]
"""Shape (n,); the greater, the less like the training images."""


@dataclass(frozen=True)
class Scope:
    """What the training images look like to the net."""

    kernel: NDArray[np.float32]
    """Of the last layer, shape (features, classes)."""
    bias: NDArray[np.float32]
    """Of the last layer, shape (classes,)."""
    mean: NDArray[np.float32]
    """Of the features of the training images at unit length, shape (features,)."""
    directions: NDArray[np.float32]
    """In which they vary most, of unit length, shape (features, at most DIRECTIONS)."""
    scale: NDArray[np.float32]
    """Brings the virtual class to the size of the others, shape ()."""

    @classmethod
    def fit(cls, features: Features, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> Self:
        """Learn from the features of the training images and the weights of the last layer."""
        units = _units(features)
        mean = units.mean(axis=0)
        _, directions = np.linalg.eigh(np.cov(units, rowvar=False, bias=True))
        directions = directions[:, ::-1][:, : min(DIRECTIONS, len(units) - 1, units.shape[1] // 4)]
        largest = np.abs(directions).argmax(axis=0)
        directions = directions * np.sign(directions[largest, np.arange(directions.shape[1])])
        unscaled = cls(kernel, bias, _stored(mean), _stored(directions), _stored(1))
        outside = max(float(unscaled.outside(features).mean()), _LEAST)
        scale = unscaled.logits(features).max(axis=1).mean() / outside
        return cls(kernel, bias, unscaled.mean, unscaled.directions, _stored(scale))

    def score(self, features: Features) -> Scores:
        """Return the virtual class's logit less the logarithm of the summed powers of the others."""
        logits = self.logits(features)
        top = logits.max(axis=1, keepdims=True)
        energy = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
        return np.asarray(self.scale * self.outside(features) - energy, np.float64)

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Return the logits of the classes less their mean, which no probability depends on, shape (n, classes)."""
        logits = features.astype(np.float64) @ self.kernel + self.bias
        return np.asarray(logits - logits.mean(axis=1, keepdims=True), np.float64)

    def outside(self, features: Features) -> Scores:
        """Return how much of the features is outside the directions of the training images."""
        around = _units(features) - self.mean
        squared = np.square(around).sum(axis=1) - np.square(around @ self.directions).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(squared, 0)), np.float64)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return what `from_arrays` takes, for a file."""
        return vars(self).copy()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float32]]) -> Self:
        """Make it again from `arrays`."""
        return cls(**arrays)


def _units(features: Features) -> NDArray[np.float64]:
    features = features.astype(np.float64)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, _LEAST), np.float64)


def _stored(values: Any) -> NDArray[np.float32]:
    return np.asarray(np.round(values, _DECIMALS), np.float32)


def threshold(held_out: Scores, coverage: float = COVERAGE) -> float:
    """Return the score up to which an image counts as in scope, from the scores of held-out images of known classes.

    At least `coverage` of them are, and of further such images too, on average over held-out sets (split conformal
    prediction; Vovk et al. 2005). With too few images to promise that, fewer than 19 for 95 %, it is infinite.
    """
    rank = math.ceil(round((len(held_out) + 1) * coverage, 9))
    return float(np.sort(held_out)[rank - 1]) if rank <= len(held_out) else math.inf
