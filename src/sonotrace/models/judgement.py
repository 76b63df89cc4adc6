"""What is made of a net's outputs: calibrated probabilities, and whether to name a class at all.

Fitted after the training (`judging`), and carried by the model file.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sonotrace.models.calibration import calibrated
from sonotrace.models.refusal import Scope


@dataclass(frozen=True)
class Outputs:
    """What a net gives for n images."""

    features: NDArray[np.float32]
    """What its last layer reads, shape (n, features)."""
    probabilities: NDArray[np.float64]
    """Shape (n, classes), as the net gives them."""


@dataclass(frozen=True)
class Answers:
    """What a classifier says of n images."""

    probabilities: NDArray[np.float64]
    """Calibrated, shape (n, classes)."""
    scope: NDArray[np.float64]
    """How far each image is beyond the limit, below 0 within it, shape (n,); NaN from a classifier that has none."""

    @property
    def in_scope(self) -> NDArray[np.bool_]:
        """Return which images are within the limit, shape (n,); all of them where there is none."""
        return ~(self.scope > 0)


@dataclass(frozen=True)
class Judgement:
    """A temperature and a limit; as it is made without arguments, it changes and refuses nothing."""

    temperature: float = 1.0
    scope: Scope | None = None
    limit: float = math.inf
    """The greatest score at which an image is given a class."""

    def answers(self, outputs: Outputs) -> Answers:
        """Return what to say, given a net's outputs."""
        probabilities = calibrated(outputs.probabilities, self.temperature)
        if self.scope is None:
            return Answers(probabilities, np.full(len(probabilities), np.nan))
        return Answers(probabilities, (self.scope.score(outputs.features) - self.limit).round(6))

    def entry(self) -> dict[str, float]:
        """Return the numbers, for the entry of a model file; empty where nothing was fitted."""
        return {"temperature": self.temperature} | ({"limit": self.limit} if self.scope else {})

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays, for a model file; empty where the classifier refuses nothing."""
        return self.scope.arrays() if self.scope else {}

    @classmethod
    def read(cls, entry: Mapping[str, float], arrays: Mapping[str, NDArray[np.float32]]) -> Self:
        """Make it again from both, which model files of before do not have."""
        scope = Scope.from_arrays(arrays) if arrays else None
        return cls(entry.get("temperature", 1.0), scope, entry.get("limit", math.inf))


def two_outputs(model: Any) -> Any:
    """Return a Keras model that gives the features, which the last layer of `model` reads, and the probabilities."""
    import keras

    return keras.Model(model.inputs, [model.layers[-1].input, model.outputs[0]])


def outputs_of(net: Any, images: NDArray[np.float32]) -> Outputs:
    """Return what a net from `two_outputs` gives for images, shape (n, height, width, 1), 0 to 255."""
    features, probabilities = net.predict_on_batch(images)
    return Outputs(np.asarray(features, np.float32), np.asarray(probabilities, np.float64))
