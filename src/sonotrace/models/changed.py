"""Ask a classifier about changed versions of test images (`images.overlays.CHANGES`)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sonotrace.images.grey import Grey
from sonotrace.images.overlays import CHANGES
from sonotrace.images.packs import Stored
from sonotrace.models.classifier import BATCH, PlaneClassifier
from sonotrace.running.progress import bar
from sonotrace.tables import CHANGED_COLUMNS


def predictions(classifier: PlaneClassifier, said: pd.DataFrame, prepared: Stored) -> pd.DataFrame:
    """Return what the classifier says of each image under each change, with the columns CHANGED_COLUMNS.

    `said` are its predictions for the images as they are, `prepared` holds those images. An image that
    a change leaves as it is keeps its prediction without being asked about again.
    """
    parts = []
    others = _of_another_class(list(said["label"]))
    with bar("changed images", len(said)) as advance:
        for at in range(0, len(said), BATCH):
            rows = said.iloc[at : at + BATCH]
            images = _read(prepared, rows["image"])
            of_others = _read(prepared, said["image"].iloc[others[at : at + BATCH]])
            for name, change in CHANGES.items():
                changed = [change(image, other) for image, other in zip(images, of_others, strict=True)]
                part = rows[["image", "patient", "label"]].assign(change=name)
                part["predicted"] = _answers(classifier, list(rows["predicted"]), images, changed)
                parts.append(part)
            advance(len(rows))
    table = pd.concat(parts) if parts else pd.DataFrame(columns=list(CHANGED_COLUMNS))
    return table[list(CHANGED_COLUMNS)]


def _read(prepared: Stored, names: Sequence[str]) -> list[Grey]:
    return [prepared[name].read() for name in names]


def _answers(
    classifier: PlaneClassifier, said: Sequence[str], images: Sequence[Grey], changed: Sequence[Grey]
) -> list[str]:
    """Return the class named for each changed image; `said` are those for the images as they are."""
    found = list(said)
    differ = [at for at, (one, other) in enumerate(zip(images, changed, strict=True)) if not np.array_equal(one, other)]
    if differ:
        answers = classifier.answers([changed[at] for at in differ]).probabilities.round(6).argmax(axis=1)
        for at, index in zip(differ, answers, strict=True):
            found[at] = classifier.planes[index]
    return found


def _of_another_class(labels: Sequence[str]) -> list[int]:
    """Return for each row the next one with another label, going on at the top after the last; itself if none has."""
    count = len(labels)
    return [
        next((other % count for other in range(at, at + count) if labels[other % count] != labels[at]), at)
        for at in range(count)
    ]
