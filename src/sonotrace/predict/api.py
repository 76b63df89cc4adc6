"""The models as a Python object: `sonotrace.load`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonotrace.errors import SonotraceError
from sonotrace.predict.command import choose, load_models
from sonotrace.predict.prediction import Models, Prediction
from sonotrace.predict.prediction import predict as predict_sources
from sonotrace.predict.search import Search, crops_of
from sonotrace.predict.sources import Source, View, sources
from sonotrace.predict.trust import Trust
from sonotrace.running.start import checkout_around


class Predictor:
    """Models that are loaded and stay so; threads may use one together. `sonotrace.load` makes it."""

    def __init__(self, models: Models, search: Search) -> None:
        """Take models, and how they are to look at images."""
        self._models = models
        self._search = search

    @property
    def planes(self) -> tuple[str, ...]:
        """The planes that the classifier knows, in the order of its outputs; empty without one."""
        return self._models.classifier.planes if self._models.classifier else ()

    @property
    def structures(self) -> tuple[str, ...]:
        """The structures that the detector knows; empty without one."""
        return self._models.detector.structures if self._models.detector else ()

    def predict(self, image: str | Path | NDArray[Any]) -> Prediction:
        """Return what the models say of one image.

        `image` is the path of a PNG, JPEG, TIFF, BMP or DICOM file (of a clip, the frame that `search` names), or an
        array, uint8, of shape (height, width), grey, or (height, width, 3), red, green, blue; 0 is black.

        Raises SonotraceError where the file cannot be read, and ValueError for any other array.

        >>> found = sonotrace.load("models", hashes=["onnx.sha256"]).predict("scan.png")  # doctest: +SKIP
        >>> found.plane, found.probabilities[found.plane], found.uncertain  # doctest: +SKIP
        ('brain', 0.9871, False)
        >>> [(one.structure, one.confidence, one.box) for one in found.structures]  # doctest: +SKIP
        [('CSP', 0.8168, [417.6, 182.1, 479.5, 222.9])]
        """
        if isinstance(image, np.ndarray):
            return self._models.say("", [View(_grey(image))], self._search)[0]
        search = replace(self._search, frames="middle") if self._search.frames == "all" else self._search
        (looked,) = predict_sources([Source(str(image))], self._models, search, threads=1)
        if looked.prediction.error:
            raise SonotraceError(looked.prediction.error)
        return looked.prediction

    def predict_all(self, paths: Iterable[str | Path], threads: int | None = None) -> Iterator[Prediction]:
        """Yield what the models say of each image of files, folders and zips, in order, in memory that does not grow.

        As many threads as cores work unless told. A file that cannot be read gives a prediction with `error`.
        """
        found = sources(Path(path) for path in paths)
        for looked in predict_sources(found, self._models, self._search, threads):
            yield looked.prediction


def load(
    folder: str | Path,
    *,
    hashes: Sequence[str | Path] = (),
    key: str | Path | None = None,
    allow_unknown: bool = False,
    search: Search | None = None,
) -> Predictor:
    """Do what `sonotrace.load` says."""
    folder = Path(folder)
    top = checkout_around(folder.resolve()) or folder
    if not list(folder.glob("*.onnx")) and (folder / "models").is_dir():
        folder /= "models"
    trust = Trust(top, [Path(path) for path in hashes], Path(key) if key else None, allow_unknown)
    _, models = load_models(choose(folder, None, None), trust)
    return Predictor(models, search or Search(crops=crops_of(top)))


def _grey(image: NDArray[Any]) -> NDArray[np.uint8]:
    import cv2

    if image.dtype != np.uint8 or image.ndim not in {2, 3} or 0 in image.shape or image.shape[2:] not in {(), (3,)}:
        raise ValueError(
            f"an array of {image.dtype} and shape {image.shape}: give uint8 of shape (height, width), or "
            "(height, width, 3) for red, green and blue"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image, np.uint8)
