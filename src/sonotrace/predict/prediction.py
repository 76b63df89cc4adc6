"""What the models say of image files, one after the other."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import Grey, read_grey
from sonotrace.kinds.structures import AT_MOST, PLANE
from sonotrace.labels.listing import images_below

if TYPE_CHECKING:
    from sonotrace.models.classifier import PlaneClassifier
    from sonotrace.models.detector import StructureDetector

_IN_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Found:
    """One structure in one image; the box is x0, y0, x1, y1 in px of the original image."""

    structure: str
    confidence: float
    box: list[float]


@dataclass(frozen=True)
class Prediction:
    """What the models say of one file; where `error` is set, nothing else is known."""

    file: str
    plane: str | None = None
    """None where there is no plane classifier, or the image is none of its planes."""
    reason: str | None = None
    """Why a plane classifier names none."""
    probabilities: dict[str, float] = field(default_factory=dict)
    """Of each plane, even where none is named."""
    scope: float | None = None
    """How far the image is beyond the limit, below 0 within it; None where the classifier has none."""
    structures: list[Found] = field(default_factory=list)
    structures_searched: bool = False
    """False where there is no structure detector, or the plane is not one that shows the structures."""
    boxes_dropped: int = 0
    """Boxes beyond the number of a structure that a head has; the most certain ones stay."""
    error: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the fields in the order that `--json` prints."""
        return asdict(self)


@dataclass(frozen=True)
class Search:
    """How structures are looked for."""

    confidence: float
    """Least confidence of a box."""
    in_all_planes: bool = False
    """Whether also in images whose plane is not PLANE, the one that shows them."""
    all_boxes: bool = False
    """Whether boxes beyond AT_MOST stay."""


@dataclass(frozen=True)
class Models:
    """The models to use; at least one is there."""

    classifier: "PlaneClassifier | None"
    detector: "StructureDetector | None"


def image_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files named, and the images in and below folders, sorted within each folder."""
    for path in paths:
        if path.is_dir():
            yield from images_below(path)
        else:
            yield path


def predict(files: Iterable[Path], models: Models, search: Search) -> Iterator[tuple[Prediction, Grey | None]]:
    """Yield, for each file, what the models say and the grey image (None where it cannot be read)."""
    for file in files:
        try:
            image = read_grey(file)
        except SonotraceError as error:
            yield Prediction(str(file), error=str(error)), None
            continue
        yield _predict(file, image, models, search), image


def _predict(file: Path, image: Grey, models: Models, search: Search) -> Prediction:
    named = _plane(file, image, models.classifier) if models.classifier else Prediction(str(file))
    may_show_them = named.plane == PLANE or models.classifier is None
    if models.detector is None or not (search.in_all_planes or may_show_them):
        return named
    found = _structures(image, models.detector, search.confidence)
    kept = found if search.all_boxes else possible(found)
    return replace(named, structures=kept, structures_searched=True, boxes_dropped=len(found) - len(kept))


def _plane(file: Path, image: Grey, classifier: "PlaneClassifier") -> Prediction:
    answers = classifier.answers([classifier.preparation.apply(image)])
    values, scope = answers.probabilities[0], float(answers.scope[0])
    in_scope = bool(answers.in_scope[0])
    return Prediction(
        file=str(file),
        plane=classifier.planes[int(values.argmax())] if in_scope else None,
        reason=None if in_scope else none_of(classifier.planes),
        probabilities={plane: round(float(value), 4) for plane, value in zip(classifier.planes, values, strict=True)},
        scope=None if math.isnan(scope) else round(scope, 4),
    )


def none_of(planes: Sequence[str]) -> str:
    """Say that an image is none of the planes that a model knows."""
    count = len(planes)
    return f"none of the {_IN_WORDS[count] if count < len(_IN_WORDS) else count} planes"


def _structures(image: Grey, detector: "StructureDetector", confidence: float) -> list[Found]:
    """Return what is found with at least this confidence, by falling confidence."""
    height, width = image.shape
    found = detector.detect([detector.preparation.apply(image)], confidence)[0]
    boxes = detector.preparation.placement(width, height).to_original(found.boxes)
    boxes = np.clip(boxes, 0, [width, height, width, height])
    return [
        Found(structure, round(float(certain), 4), [round(float(corner), 1) for corner in box])
        for structure, certain, box in zip(found.structures, found.confidences, boxes, strict=True)
    ]


def possible(found: Sequence[Found]) -> list[Found]:
    """Return as many of each structure as a head has, the most certain ones; `found` is by falling confidence."""
    seen: Counter[str] = Counter()
    kept = []
    for one in found:
        seen[one.structure] += 1
        if seen[one.structure] <= AT_MOST.get(one.structure, len(found)):
            kept.append(one)
    return kept
