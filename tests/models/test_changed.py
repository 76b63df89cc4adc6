"""A classifier is asked about each image under each change, but not where the change leaves it as it is."""

import numpy as np
import pandas as pd
import pytest
from packed import packed

from sonotrace.images.overlays import CHANGES
from sonotrace.models.changed import predictions
from sonotrace.models.judgement import Answers
from sonotrace.tables import CHANGED_COLUMNS


class Left:
    """A classifier that calls an image whose left half is the brighter one a brain, and counts what it is asked."""

    planes = ("brain", "femur")

    def __init__(self):
        self.asked = 0

    def answers(self, images):
        self.asked += len(images)
        halves = [np.array_split(image.astype(float), 2, axis=1) for image in images]
        found = np.array([[0.9, 0.1] if left.mean() > right.mean() else [0.1, 0.9] for left, right in halves])
        return Answers(found, np.full(len(images), np.nan))


@pytest.fixture
def said():
    """Return what is said of 40 images of two planes."""
    rows = [(f"i{at}", f"p{at // 2}", ("brain", "femur")[at % 2], "brain") for at in range(40)]
    return pd.DataFrame(rows, columns=["image", "patient", "label", "predicted"])


@pytest.fixture
def prepared(said, tmp_path):
    """Lay out these images without overlays, brighter on the left."""
    image = np.full((32, 32), 80, np.uint8)
    image[:, :16] = 160
    return packed(tmp_path, dict.fromkeys(said["image"], image))


def test_each_image_has_an_answer_to_each_change(said, prepared):
    classifier = Left()
    found = predictions(classifier, said, prepared)
    assert tuple(found.columns) == CHANGED_COLUMNS
    assert found.groupby("change").size().to_dict() == dict.fromkeys(CHANGES, 40)
    assert set(found["predicted"][found["change"] == "mirrored"]) == {"femur"}
    assert set(found["predicted"][found["change"] != "mirrored"]) == {"brain"}
    assert classifier.asked == 40, "only the mirrored images differ"


def test_overlays_come_from_an_image_with_another_label(said, tmp_path, monkeypatch):
    pairs = []
    monkeypatch.setattr(
        "sonotrace.models.changed.CHANGES", {"x": lambda image, other: pairs.append((image, other)) or image}
    )
    numbered = packed(tmp_path, {name: np.full((32, 32), at, np.uint8) for at, name in enumerate(said["image"])})
    said["label"] = ["brain"] * 37 + ["femur"] * 3
    predictions(Left(), said, numbered)
    others = [int(other[0, 0]) for _, other in pairs]
    assert others == [37] * 37 + [0] * 3


def test_where_all_have_one_label_each_image_keeps_its_own_overlays(said, prepared):
    found = predictions(Left(), said.assign(label="brain"), prepared)
    assert len(found) == 40 * len(CHANGES)
