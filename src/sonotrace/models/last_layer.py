"""Begin a training of published weights with a last layer that already answers from their features.

A last layer drawn at random sends large gradients through the net before it knows anything, and spoils the features:
"linear probing, then fine-tuning" (Kumar et al. 2022). With few images some trainings fail without it
(docs/experiments.md).
"""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

LEEWAY = 1.0
"""How little large weights are penalised (scikit-learn's C)."""


def fit(
    model: keras.Model, batches: Iterable[NDArray[np.float32]], labels: Sequence[str], names: Sequence[str]
) -> None:
    """Give the last layer of an EfficientNet the weights of a logistic regression on the features of images.

    `batches` are prepared images as the net takes them, shape (n, height, width, 1), and `labels` their labels, in the
    same order. `names` are the classes in the order of the outputs. A class without images is thought as unlikely as
    the rarest. With one class alone, the layer stays as it is.
    """
    if len(set(labels)) < 2:
        return
    net = keras.Model(model.input, model.get_layer("features").output)
    features = np.concatenate([net.predict_on_batch(images) for images in batches]).astype(np.float64)
    told = LogisticRegression(C=LEEWAY, max_iter=1000).fit(features, list(labels))
    weights, offsets = told.coef_, told.intercept_
    if len(told.classes_) == 2:  # scikit-learn gives the second class alone
        weights, offsets = np.concatenate([-weights, weights]) / 2, np.concatenate([-offsets, offsets]) / 2
    kernel = np.zeros((features.shape[1], len(names)), np.float32)
    bias = np.full(len(names), offsets.min(), np.float32)
    at = [names.index(label) for label in told.classes_]
    kernel[:, at], bias[at] = weights.T, offsets
    model.get_layer("plane").set_weights([kernel, bias])
