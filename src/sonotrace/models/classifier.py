"""Use a trained plane classifier; evaluate and predict share this code."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonotrace.images.grey import Grey
from sonotrace.images.preparation import Preparation
from sonotrace.models.files import read_keras

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
