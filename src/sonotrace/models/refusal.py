"""How far an image is from what a classifier was trained on, and where it stops naming a class.

The distance is Mahalanobis' between the image's features, which the net's last layer reads, and the mean of the
nearest class (Lee et al. 2018, A simple unified framework for detecting out-of-distribution samples), with one
covariance for all classes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage

COVERAGE = 0.95
"""Share of images of the known classes that are to be named."""
_LEAST = 1e-12
"""Least mean variance, for features that do not vary at all."""

Features = NDArray[np.floating[Any]]
"""Shape (n, features)."""
Scores = NDArray[np.float64]
"""Shape (n,); the greater, the less like the training images."""


@dataclass(frozen=True)
class Scope:
    """What the training images look like to the net."""

    means: NDArray[np.float32]
    """Of the features of each class that has images, shape (classes, features)."""
    whitening: NDArray[np.float32]
    """A square root of the inverse covariance, shape (features, features)."""

    @classmethod
    def fit(cls, features: Features, labels: NDArray[np.int64]) -> Self:
        """Learn from the features of training images and their classes, shape (n,).

        The covariance is drawn towards a multiple of the identity, as far as Ledoit & Wolf (2004) find best: there
        may be more features than images.
        """
        features = features.astype(np.float64)
        known, codes = np.unique(labels, return_inverse=True)
        means = np.stack([features[codes == code].mean(axis=0) for code in range(len(known))])
        around = features - means[codes]
        share = ledoit_wolf_shrinkage(around, assume_centered=True)
        variances, directions = np.linalg.eigh(around.T @ around / len(around))
        variances = np.maximum((1 - share) * variances + share * variances.mean(), _LEAST)
        return cls(means.astype(np.float32), (directions / np.sqrt(variances)).astype(np.float32))

    def score(self, features: Features) -> Scores:
        """Return each image's distance from the nearest class mean."""
        white = features.astype(np.float64) @ self.whitening
        means = self.means.astype(np.float64) @ self.whitening
        distances = np.stack([np.linalg.norm(white - mean, axis=1) for mean in means])
        return np.asarray(distances.min(axis=0), np.float64)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return what `from_arrays` takes, for a file."""
        return {"means": self.means, "whitening": self.whitening}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float32]]) -> Self:
        """Make it again from `arrays`."""
        return cls(arrays["means"], arrays["whitening"])


def threshold(held_out: Scores, coverage: float = COVERAGE) -> float:
    """Return the score up to which an image counts as in scope, from the scores of held-out images of known classes.

    At least `coverage` of them are, and of further such images too, on average over held-out sets (split conformal
    prediction; Vovk et al. 2005). With too few images to promise that, fewer than 19 for 95 %, it is infinite.
    """
    rank = math.ceil(round((len(held_out) + 1) * coverage, 9))
    return float(np.sort(held_out)[rank - 1]) if rank <= len(held_out) else math.inf
