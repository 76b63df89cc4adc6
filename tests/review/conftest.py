"""A small data set of planes, pulled, validated and split, with an audit and predictions that doubt some labels."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from sonotrace.running.outputs import write_csv
from sonotrace.stages import pull, split, validate
from sonotrace.tables import read_table

LABELS = ("abdomen", "brain", "femur", "thorax")


@pytest.fixture
def pulled(work, set_param, rerun):
    """Return the split table of 24 images of 24 patients; every second image is wide and low."""
    set_param("pull.planes.source", "incoming")
    folder = work / "data/incoming/planes"
    folder.mkdir(parents=True)
    random, lines = np.random.default_rng(0), ["Image_name,Plane"]
    for number in range(24):
        image = random.integers(0, 255, (30, 40), np.uint8)
        cv2.imwrite(str(folder / f"Patient{number:02}_a.png"), image)
        lines.append(f"Patient{number:02}_a,Fetal {LABELS[number % 4]}")
    (folder / "image_label.csv").write_text("\n".join(lines) + "\n")
    return rerun()


@pytest.fixture
def rerun():
    """Return a function that pulls, validates and splits, and returns the split table by image."""

    def run():
        for stage in (pull, validate, split):
            stage.run("planes")
        return read_table(Path("data/planes/split/split.csv")).set_index("image", drop=False)

    return run


@pytest.fixture
def doubted(work, pulled):
    """Doubt the labels of three images, one of them on the test side, and call two of them nearly the same."""
    learnt, test = (list(pulled.index[pulled["side"] == side]) for side in ("train", "test"))
    first, second, third = learnt[1], learnt[0], test[0]
    rows = [
        (rank, image, pulled.loc[image, "label"], suggested, suspected)
        for rank, (image, suggested, suspected) in enumerate(
            [(first, "other", "true"), (third, "cervix", "true"), (learnt[2], "brain", "false")], start=1
        )
    ]
    columns = ["rank", "image", "label", "suggested", "suspected"]
    (work / "audit").mkdir()
    write_csv(pd.DataFrame(rows, columns=columns), work / "audit/labels.csv")
    pair = ["planes", *sorted((first, second)), "label"]
    duplicates = pd.DataFrame([pair], columns=["data_set", "image_a", "image_b", "differs"])
    duplicates["label_a"] = [pulled.loc[pair[1], "label"]]
    duplicates["label_b"] = [pulled.loc[pair[2], "label"]]
    write_csv(duplicates, work / "audit/duplicates.csv")
    said = pd.DataFrame({"image": [third, learnt[3]], "label": pulled.loc[[third, learnt[3]], "label"]})
    said["predicted"] = [next(name for name in LABELS if name != label) for label in said["label"]]
    for name in LABELS:
        said[name] = [0.7 if name == predicted else 0.1 for predicted in said["predicted"]]
    write_csv(said, work / "data/planes/evaluate/predictions.csv")
    return {"first": first, "second": second, "test": third, "error": learnt[3]}
