"""Use a trained plane classifier; evaluate and predict share this code."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.images.grey import Grey, read_grey
from sonotrace.images.preparation import Preparation
from sonotrace.models.files import read_keras
from sonotrace.running.progress import bar, native_noise_hidden

BATCH = 32


class PlaneClassifier:
    """A model of train_cnn with the names and the preparation that its file states."""

    def __init__(self, content: bytes, path: Path) -> None:
        """Load the bytes of a model file, called `path` in messages; raises SonotraceError for other files."""
        self._model, entry = read_keras(content, path)
        self.planes: tuple[str, ...] = tuple(entry["planes"])
        self.preparation = Preparation.from_mapping(entry["prepare"])

    def probabilities(self, prepared: Sequence[Grey]) -> NDArray[np.float64]:
        """Return the planes' probabilities, shape (n, len(self.planes)), of prepared images."""
        parts = [
            self._model.predict_on_batch(np.stack(prepared[at : at + BATCH])[..., None].astype(np.float32))
            for at in range(0, len(prepared), BATCH)
        ]
        return np.concatenate(parts).astype(np.float64)


def predictions(content: bytes, path: Path, test: pd.DataFrame, prepared: Path) -> pd.DataFrame:
    """Return the planes' probabilities of each test image, as `scores.planes` takes them, six decimals.

    `content` are the bytes of the model file, called `path` in messages.
    `test` has the columns image, patient and label; the folder `prepared` holds `<image>.png`.
    """
    with native_noise_hidden():
        classifier = PlaneClassifier(content, path)
    parts = []
    with bar("predict", len(test)) as advance:
        for at in range(0, len(test), BATCH):
            part = [read_grey(prepared / f"{image}.png") for image in test["image"][at : at + BATCH]]
            parts.append(classifier.probabilities(part))
            advance(len(part))
    probabilities = np.concatenate(parts).astype(np.float64).round(6)
    table = test[["image", "patient", "label"]].copy()
    table["predicted"] = [classifier.planes[index] for index in probabilities.argmax(axis=1)]
    table[list(classifier.planes)] = probabilities
    return table
