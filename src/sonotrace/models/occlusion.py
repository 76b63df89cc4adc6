"""Where a classifier looks: cover a part of an image, and see how much less sure it is of its answer.

Zeiler & Fergus 2014, with a patch of the mean grey level of what it covers: it takes away the texture, and puts
nothing new into the black background.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.images.grey import Grey
from sonotrace.images.packs import Stored
from sonotrace.models.classifier import PlaneClassifier

CELLS = 8
"""A map has so many rows and columns."""
PATCH = 2
"""Side of the patch, in cells."""
SAMPLE = 8
"""Images that maps are made of, at most."""


@dataclass(frozen=True)
class OcclusionMap:
    """Where a classifier looks in one image."""

    image: Grey
    label: str
    answer: str
    probability: float
    """Of the answer."""
    drops: NDArray[np.float64]
    """How much that probability drops on average when a patch covers the cell, shape (CELLS, CELLS)."""


def maps(classifier: PlaneClassifier, test: pd.DataFrame, prepared: Stored) -> list[OcclusionMap]:
    """Return the maps of a sample of the test images; `prepared` holds the images."""
    rows = sample(test)
    return [
        occlusion_map(classifier, prepared[image].read(), label)
        for image, label in zip(rows["image"], rows["label"], strict=True)
    ]


def sample(test: pd.DataFrame) -> pd.DataFrame:
    """Return up to SAMPLE rows, as many of each label, those first whose image ids have the lowest hashes.

    So further test images seldom change the sample.
    """
    each = max(1, SAMPLE // test["label"].nunique())
    place = [hashlib.sha256(str(image).encode()).hexdigest() for image in test["image"]]
    chosen = test.assign(place=place).sort_values(["label", "place"]).groupby("label", sort=True).head(each)
    return chosen.head(SAMPLE).drop(columns="place")


def occlusion_map(classifier: PlaneClassifier, image: Grey, label: str) -> OcclusionMap:
    """Return where the classifier looks in a prepared image, which is labelled `label`; four decimals."""
    places, covered = zip(*_covered(image), strict=True)
    probabilities = classifier.answers([image, *covered]).probabilities
    answer = int(probabilities[0].argmax())
    drops, count = np.zeros((CELLS, CELLS)), np.zeros((CELLS, CELLS))
    for (row, column), drop in zip(places, probabilities[0, answer] - probabilities[1:, answer], strict=True):
        drops[row : row + PATCH, column : column + PATCH] += drop
        count[row : row + PATCH, column : column + PATCH] += 1
    probability = round(float(probabilities[0, answer]), 4)
    return OcclusionMap(image, label, classifier.planes[answer], probability, (drops / count).round(4))


def _covered(image: Grey) -> Iterator[tuple[tuple[int, int], Grey]]:
    """Yield the first row and column of cells that a patch covers, and the image so covered."""
    down, right = (np.linspace(0, side, CELLS + 1).round().astype(int) for side in image.shape)
    for row in range(CELLS - PATCH + 1):
        for column in range(CELLS - PATCH + 1):
            part = slice(down[row], down[row + PATCH]), slice(right[column], right[column + PATCH])
            covered = image.copy()
            covered[part] = round(float(image[part].mean()))
            yield (row, column), covered
