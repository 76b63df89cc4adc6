"""Use a trained plane classifier; evaluate and predict share this code."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.images.grey import Grey
from sonotrace.images.packs import Stored
from sonotrace.images.preparation import Preparation
from sonotrace.models.files import read_keras
from sonotrace.models.judgement import Answers, Judgement, outputs_of, two_outputs
from sonotrace.running.progress import bar, native_noise_hidden

BATCH = 32


class PlaneNet:
    """One model file of train_cnn, with the names, the preparation and the judgement that it states."""

    def __init__(self, content: bytes, path: Path) -> None:
        """Load the bytes of a model file, called `path` in messages; raises SonotraceError for other files."""
        model, entry, arrays = read_keras(content, path)
        self._net = two_outputs(model)
        self.planes: tuple[str, ...] = tuple(entry["planes"])
        self.preparation = Preparation.from_mapping(entry["prepare"])
        self.judgement = Judgement.read(entry.get("judgement", {}), arrays)

    def answers(self, images: NDArray[np.float32]) -> Answers:
        """Return what the net says of prepared images, shape (n, height, width, 1), 0 to 255."""
        return self.judgement.answers(outputs_of(self._net, images))


class PlaneClassifier:
    """What names planes: the net of a model file."""

    def __init__(self, content: bytes, path: Path) -> None:
        """Load the bytes of a model file, called `path` in messages; raises SonotraceError for other files."""
        self._net = PlaneNet(content, path)
        self.planes = self._net.planes
        self.preparation = self._net.preparation

    def answers(self, prepared: Sequence[Grey]) -> Answers:
        """Return the planes' probabilities, shape (n, len(self.planes)), of prepared images, and which are in scope."""
        parts = [
            self._net.answers(np.stack(prepared[at : at + BATCH])[..., None].astype(np.float32))
            for at in range(0, len(prepared), BATCH)
        ]
        return joined(parts)


def joined(parts: Sequence[Answers]) -> Answers:
    """Join the answers of batches, in their order."""
    return Answers(
        np.concatenate([part.probabilities for part in parts]), np.concatenate([part.scope for part in parts])
    )


def load(content: bytes, path: Path) -> PlaneClassifier:
    """Load the bytes of a model file, called `path` in messages, without a word of the framework."""
    with native_noise_hidden():
        return PlaneClassifier(content, path)


def predictions(classifier: PlaneClassifier, test: pd.DataFrame, prepared: Stored) -> pd.DataFrame:
    """Return the planes' probabilities of each test image, as `scores.planes` takes them, six decimals.

    `test` has the columns image, patient and label; `prepared` holds the images.
    """
    parts = []
    with bar("predict", len(test)) as advance:
        for at in range(0, len(test), BATCH):
            part = [prepared[image].read() for image in test["image"][at : at + BATCH]]
            parts.append(classifier.answers(part))
            advance(len(part))
    answers = joined(parts)
    probabilities = answers.probabilities.round(6)
    table = test[["image", "patient", "label"]].copy()
    table["predicted"] = [classifier.planes[index] for index in probabilities.argmax(axis=1)]
    table["scope"] = answers.scope
    table["in_scope"] = np.where(answers.in_scope, "true", "false")
    table[list(classifier.planes)] = probabilities
    return table
