"""Begin a training of published weights with a last layer that already answers from their features.

A last layer drawn at random sends large gradients through the net before it knows anything, and spoils the features:
"linear probing, then fine-tuning" (Kumar et al. 2022). With few images some trainings fail without it
(docs/experiments.md).
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from sonotrace.models.examples import View, stack

BATCH = 32
"""Images shown at once."""
LEEWAY = 1.0
"""How little large weights are penalised (scikit-learn's C)."""


def fit(model: keras.Model, shown: Sequence[View], labels: Sequence[str], names: Sequence[str]) -> None:
    """Give the last layer of an EfficientNet the weights that answer best from the features of prepared images.

    `labels` are those of the images, `names` the classes in the order of the outputs; a class without images is
    thought as unlikely as the rarest.
    """
    features = keras.Model(model.input, model.get_layer("features").output)
    found = [features.predict_on_batch(stack(list(shown[at : at + BATCH]))) for at in range(0, len(shown), BATCH)]
    set_last(model, np.concatenate(found), labels, names)


def set_last(model: keras.Model, features: NDArray[Any], labels: Sequence[str], names: Sequence[str]) -> None:
    """Give the last layer the weights of a logistic regression on features, shape (n, number of features)."""
    if len(set(labels)) < 2:
        return
    told = LogisticRegression(C=LEEWAY, max_iter=1000).fit(features.astype(np.float64), list(labels))
    weights, offsets = told.coef_, told.intercept_
    if len(told.classes_) == 2:  # scikit-learn gives the second class alone
        weights, offsets = np.concatenate([-weights, weights]) / 2, np.concatenate([-offsets, offsets]) / 2
    kernel = np.zeros((features.shape[1], len(names)), np.float32)
    bias = np.full(len(names), offsets.min(), np.float32)
    at = [names.index(label) for label in told.classes_]
    kernel[:, at], bias[at] = weights.T, offsets
    model.get_layer("plane").set_weights([kernel, bias])
