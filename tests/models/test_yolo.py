"""What Ultralytics is given: classes by name, sides apart, weights that are pinned."""

import numpy as np
import pandas as pd
import pytest
import yaml
from packed import packed

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import read_grey
from sonotrace.images.packs import copy_name
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.models.yolo import label_lines, lay_out
from sonotrace.params.prepare import PrepareOne
from sonotrace.running.outputs import write_csv
from sonotrace.tables import CORNERS

PREPARATION = PrepareOne(width=64, height=32, aspect="stretch", mask_overlays=False)


def _laid_out(table, work):
    train, val = (list(table[table["side"] == side]["image"]) for side in ("train", "val"))
    return lay_out("structures", train, val, work, PREPARATION)


def _boxes(rows):
    return pd.DataFrame(rows, columns=["image", "structure", *CORNERS])


def test_label_lines_hold_class_centre_and_size_in_shares():
    boxes = _boxes([("a", name, 16, 8, 48, 24) for name in reversed(STRUCTURES)] + [("b", "CSP", 0, 0, 64, 32)])
    lines = label_lines(boxes, PREPARATION)
    assert lines["b"] == "1 0.500000 0.500000 1.000000 1.000000\n"
    assert lines["a"].splitlines() == [f"{index} 0.500000 0.500000 0.500000 0.500000" for index in (2, 1, 0)]


@pytest.fixture
def augmented(work):
    table = pd.DataFrame({"image": ["a", "b", "c", "e"], "side": ["train", "val", "test", "train"]})
    corners = (16, 8, 48, 24)
    at = work / "data/structures"
    packed(at / "prepare/images", dict.fromkeys(table["image"], _picture()))
    packed(at / "augment/images", {"a/1": _picture() + 1, "a/2": _picture() + 2})
    boxes = _boxes([("a", "MIDLINE_FALX", *corners), ("b", "CSP", *corners), ("c", "CSP", *corners)])
    write_csv(boxes, work / "data/structures/prepare/boxes.csv")
    write_csv(_boxes([("a/1", "CHOROID_PLEXUS", *corners)]), work / "data/structures/augment/boxes.csv")
    copies = pd.DataFrame({"copy": ["a/1", "a/2"], "image": ["a", "a"]})
    write_csv(copies, work / "data/structures/augment/copies.csv")
    return table


def _picture():
    return np.zeros((32, 64), np.uint8)


def test_sides_stay_apart_and_test_images_are_never_shown(work, augmented):
    card, count = _laid_out(augmented, work / "run")
    names = {
        side: sorted(path.stem for path in (work / "run" / side / "images").iterdir()) for side in ("train", "val")
    }
    assert names == {"train": ["0000000_000", "0000000_001", "0000000_002", "0000001_000"], "val": ["0000000_000"]}
    assert count == 4
    for side, images in names.items():
        assert sorted(path.stem for path in (work / "run" / side / "labels").iterdir()) == images
        for path in (work / "run" / side / "images").iterdir():
            assert (read_grey(path) == int(path.stem.partition("_")[2])).all()
    content = yaml.safe_load(card.read_text())
    assert list(content["names"].values()) == list(STRUCTURES)
    assert (content["train"], content["val"]) == ("train/images", "val/images")


def test_the_class_of_a_label_line_names_the_structure_of_the_box(work, augmented):
    card, _ = _laid_out(augmented, work / "run")
    names = yaml.safe_load(card.read_text())["names"]
    found = {
        f"{path.parts[-3]} {path.stem}": [names[int(line.split()[0])] for line in path.read_text().splitlines()]
        for path in (work / "run").rglob("labels/*.txt")
    }
    assert found == {
        "train 0000000_000": ["MIDLINE_FALX"],
        "train 0000000_001": ["CHOROID_PLEXUS"],
        "train 0000000_002": [],
        "train 0000001_000": [],
        "val 0000000_000": ["CSP"],
    }


@pytest.mark.parametrize("names", [("007_HC", "007_HC__1"), ("a", "a_001"), ("0000000", "0000000_001"), ("a", "A")])
def test_no_prepared_image_is_written_to_whatever_images_are_called(work, names):
    at = work / "data/structures"
    table = pd.DataFrame({"image": [*names, "v"], "side": ["train", "train", "val"]})
    for level, name in enumerate(table["image"]):
        packed(at / "prepare/images", {name: _picture() + level * 50}, str(level))
        packed(at / "augment/images", {copy_name(name, 1): _picture() + level * 50 + 1}, str(level))
    kept = {path: path.read_bytes() for path in (at / "prepare/images").iterdir()}
    write_csv(_boxes([]), at / "prepare/boxes.csv")
    write_csv(_boxes([(f"{names[0]}/1", "CSP", 16, 8, 48, 24)]), at / "augment/boxes.csv")
    copies = [(copy_name(name, 1), name) for name in names]
    write_csv(pd.DataFrame(copies, columns=["copy", "image"]), at / "augment/copies.csv")
    _, count = _laid_out(table, work / "run")
    assert count == 4
    assert {path: path.read_bytes() for path in (at / "prepare/images").iterdir()} == kept
    levels = {int(read_grey(path)[0, 0]) for path in (work / "run/train/images").iterdir()}
    assert levels == {0, 1, 50, 51}
    labelled = [path for path in (work / "run/train/labels").iterdir() if path.read_text()]
    assert [int(read_grey(work / "run/train/images" / f"{path.stem}.png")[0, 0]) for path in labelled] == [1]


@pytest.mark.parametrize("side", ["train", "val"])
def test_a_side_without_images_stops(work, augmented, side):
    left = augmented[augmented["side"] != side]
    with pytest.raises(SonotraceError, match=r"structures: .*split\.structures\.salt"):
        _laid_out(left, work / "run")
