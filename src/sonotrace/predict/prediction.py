"""What the models say of images: one record an image, in the order of the images, in memory that does not grow."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from sonotrace.errors import SonotraceError
from sonotrace.images.boxes import clip
from sonotrace.kinds.structures import AT_MOST, PLANE
from sonotrace.predict.search import Region, Search
from sonotrace.predict.sources import Source, View, views
from sonotrace.running.parallel import in_order

if TYPE_CHECKING:
    from sonotrace.models.judgement import Answers
    from sonotrace.portable.reading import PortableClassifier, PortableDetector

BATCH = 8
"""Images that a net takes at once, in each thread."""

_IN_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Found:
    """One structure in one image; the box is x0, y0, x1, y1 in px of the original image, or of a DICOM's full frame."""

    structure: str
    confidence: float
    box: list[float]


@dataclass(frozen=True)
class Prediction:
    """What the models say of one image; where `error` is set, nothing else is known."""

    file: str
    """Its path; for a member of a zip, that of the zip, `/` and its own; empty for an array."""
    frame: int | None = None
    """Its number in a DICOM file, from 1; None for any other file."""
    region: Region | None = None
    """The part of a DICOM's full frame that was looked at: left, top, right, bottom in px."""
    plane: str | None = None
    """None where there is no plane classifier, or the image is none of its planes."""
    uncertain: bool = False
    """Whether the plane named is less probable than the model's `certain`."""
    reason: str | None = None
    """Why a plane classifier names none."""
    probabilities: dict[str, float] = field(default_factory=dict)
    """Of each plane, even where none is named; calibrated."""
    scope: float | None = None
    """How far the image is beyond the limit, below 0 within it; None where the classifier has none."""
    structures: list[Found] = field(default_factory=list)
    """By falling confidence."""
    structures_searched: bool = False
    """False where there is no structure detector, or the plane is not one that shows the structures."""
    boxes_dropped: int = 0
    """Boxes beyond the number of a structure that a head has; the most certain ones stay."""
    error: str | None = None
    """Why the file could not be read."""

    def as_json(self) -> dict[str, object]:
        """Return the fields in the order that `--json` prints."""
        return asdict(self)


@dataclass(frozen=True)
class Models:
    """The models to use; at least one is there."""

    classifier: "PortableClassifier | None"
    detector: "PortableDetector | None"

    def say(self, name: str, images: Sequence[View], search: Search) -> list[Prediction]:
        """Return what they say of a few images of the file `name`, all at once; threads may call it together."""
        named = [Prediction(name, one.frame, one.region) for one in images]
        if self.classifier:
            answers = self.classifier.answers([self.classifier.preparation.apply(one.image) for one in images])
            named = [_named(one, self.classifier, answers, at) for at, one in enumerate(named)]
        if self.detector is None:
            return named
        may_show_them = [search.in_all_planes or self.classifier is None or one.plane == PLANE for one in named]
        wanted = [at for at, may in enumerate(may_show_them) if may]
        found = self._found([images[at] for at in wanted], self.detector, search.confidence)
        for at, structures in zip(wanted, found, strict=True):
            kept = structures if search.all_boxes else possible(structures)
            dropped = len(structures) - len(kept)
            named[at] = replace(named[at], structures=kept, structures_searched=True, boxes_dropped=dropped)
        return named

    @staticmethod
    def _found(images: Sequence[View], detector: "PortableDetector", confidence: float | None) -> list[list[Found]]:
        if not images:
            return []
        least = detector.confidence if confidence is None else confidence
        found = []
        detections = detector.detect([detector.preparation.apply(one.image) for one in images], least)
        for one, detected in zip(images, detections, strict=True):
            height, width = one.image.shape
            boxes = detector.preparation.placement(width, height).to_original(detected.boxes)
            left, top = one.region[:2] if one.region else (0, 0)
            boxes = clip(boxes, width, height) + np.array([left, top] * 2)
            found.append(
                [
                    Found(structure, round(float(certain), 4), [round(float(corner), 1) for corner in box])
                    for structure, certain, box in zip(detected.structures, detected.confidences, boxes, strict=True)
                ]
            )
        return found


def _named(prediction: Prediction, classifier: "PortableClassifier", answers: "Answers", at: int) -> Prediction:
    values, scope, in_scope = answers.probabilities[at], float(answers.scope[at]), bool(answers.in_scope[at])
    best = int(values.argmax())
    return replace(
        prediction,
        plane=classifier.planes[best] if in_scope else None,
        uncertain=in_scope and bool(values[best] < classifier.certain),
        reason=None if in_scope else none_of(classifier.planes),
        probabilities={plane: round(float(value), 4) for plane, value in zip(classifier.planes, values, strict=True)},
        scope=None if math.isnan(scope) else round(scope, 4),
    )


def none_of(planes: Sequence[str]) -> str:
    """Say that an image is none of the planes that a model knows."""
    count = len(planes)
    return f"none of the {_IN_WORDS[count] if count < len(_IN_WORDS) else count} planes"


def possible(found: Sequence[Found]) -> list[Found]:
    """Return as many of each structure as a head has, the most certain ones; `found` is by falling confidence."""
    seen: Counter[str] = Counter()
    kept = []
    for one in found:
        seen[one.structure] += 1
        if seen[one.structure] <= AT_MOST.get(one.structure, len(found)):
            kept.append(one)
    return kept


@dataclass(frozen=True)
class Looked:
    """A prediction, its source, and the image if it was asked for."""

    prediction: Prediction
    source: Source
    view: View | None


def predict(
    sources: Iterable[Source], models: Models, search: Search, threads: int | None = None, keep: bool = False
) -> Iterator[Looked]:
    """Yield what the models say of each image of each source, in order, by as many threads as cores unless told.

    The images themselves come along where they are to be kept.
    """

    def look(batch: list[Source]) -> list[Looked]:
        return [one for part in _read(batch, search) for one in _look(part, models, search, keep)]

    for looked in in_order(look, _batches(sources), threads):
        yield from looked


def _batches(sources: Iterable[Source]) -> Iterator[list[Source]]:
    """Cut the sources up, the first by itself: whoever waits sees something."""
    left = iter(sources)
    yield from ([source] for source in islice(left, 1))
    while batch := list(islice(left, BATCH)):
        yield batch


def _read(batch: Sequence[Source], search: Search) -> Iterator[list[tuple[Source, View | str]]]:
    """Yield at most BATCH images at once, or in their place why a file has none."""
    part: list[tuple[Source, View | str]] = []
    for source in batch:
        try:
            found: list[View] | list[str] = views(source, source.read(), search)
        except SonotraceError as error:
            found = [str(error)]
        for one in found:
            part.append((source, one))
            if len(part) == BATCH:
                yield part
                part = []
    if part:
        yield part


def _look(part: Sequence[tuple[Source, View | str]], models: Models, search: Search, keep: bool) -> Iterator[Looked]:
    images = [one for _, one in part if isinstance(one, View)]
    said = iter(models.say("", images, search) if images else [])
    for source, one in part:
        if isinstance(one, View):
            yield Looked(replace(next(said), file=source.name), source, one if keep else None)
        else:
            yield Looked(Prediction(source.name, error=one), source, None)
