"""Where a training stands after each epoch, so that a killed one goes on and ends in the same bytes.

One file per training in `.sonotrace/trainings`, which goes when the training ends. It is used only by a training of
the same images, parameters, code and libraries.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from sonotrace.models.checkpoint_file import CheckpointFile
from sonotrace.models.examples import Example
from sonotrace.running.outputs import building

Arrays = list[NDArray[Any]]


@dataclass
class Best:
    """The epoch that has validated best so far."""

    loss: float = float("inf")
    accuracy: float = 0.0
    epoch: int = -1
    weights: Arrays = field(default_factory=list)
    """Of the model, in Keras' order; empty before the first epoch, and without validation images."""


@dataclass
class Progress:
    """Where a training stands."""

    history: list[dict[str, float]] = field(default_factory=list)
    """What each epoch so far gave."""
    state: Arrays = field(default_factory=list)
    """Of `variables_of`."""
    best: Best = field(default_factory=Best)


class Checkpoint(CheckpointFile):
    """The file of one training of Keras; `key_of` makes its key."""

    def __init__(self, name: str, key: str) -> None:
        super().__init__(name, key, ".npz")

    def read(self) -> Progress:
        """Return where the training stands; at its beginning if there is no whole file of this key."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                if about["key"] != self._key:
                    return Progress()
                state = [file[f"state{at}"] for at in range(about["state"])]
                weights = [file[f"best{at}"] for at in range(about["best"])]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return Progress()
        return Progress(about["history"], state, Best(about["loss"], about["accuracy"], about["epoch"], weights))

    def write(self, progress: Progress) -> None:
        """Note where the training stands; if that is impossible, say so, since the training is worth more."""
        best = progress.best
        about = {"key": self._key, "history": progress.history, "state": len(progress.state)}
        about |= {"best": len(best.weights), "loss": best.loss, "accuracy": best.accuracy, "epoch": best.epoch}
        arrays: dict[str, Any] = {f"state{at}": array for at, array in enumerate(progress.state)}
        arrays |= {f"best{at}": array for at, array in enumerate(best.weights)}
        try:
            with building(self.path) as path, path.open("wb") as file:
                np.savez(file, about=np.array(json.dumps(about)), **arrays)
        except OSError as error:
            self._cannot_write(error.strerror)


def variables_of(model: Any) -> list[Any]:
    """Return all variables of a Keras model that a step changes: weights, random states, those of the optimizer."""
    model.optimizer.build(model.trainable_variables)
    seeds = [layer.seed_generator.state for layer in model.layers if hasattr(layer, "seed_generator")]
    return [*model.weights, *seeds, *model.optimizer.variables]


def key_of(code: Iterable[ModuleType], examples: Sequence[Sequence[Example]], conditions: object) -> str:
    """Return a hash of the code, the libraries, the examples' images, and of `conditions`, by their `repr`."""
    digest = hashlib.sha256(repr(conditions).encode())
    libraries = [name for name in ("keras", "tensorflow", "torch", "jax") if name in sys.modules]
    digest.update(repr([(name, version(name)) for name in (*libraries, "numpy")]).encode())
    for module in code:
        digest.update(Path(str(module.__file__)).read_bytes())
    for side in examples:
        digest.update(f"{len(side)} examples".encode())
        for example in side:
            digest.update(repr((example.label, example.target, len(example.views))).encode())
            for view in example.views:
                digest.update(hashlib.sha256(view.content()).digest())
    return digest.hexdigest()
