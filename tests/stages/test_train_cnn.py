"""What the stage learns from: the train side with its copies, held to the val side."""

import sys

import pandas as pd
import pytest

from sonotrace.errors import SonotraceError
from sonotrace.stages.train_cnn import examples, run


def _seen(found):
    return [([(view.file.as_posix(), view.page) for view in views], label) for views, label in found]


def test_training_images_come_with_their_copies_original_first():
    table = pd.DataFrame(
        {"image": ["a", "b", "c"], "label": ["brain", "femur", "thorax"], "side": ["train", "val", "train"]}
    )
    copies = pd.DataFrame({"copy": ["a/1", "a/2", "c/1"], "image": ["a", "a", "c"]})
    prepared, augmented = "data/planes/prepare/images", "data/planes/augment/images"
    train, val = examples("planes", table, copies)
    assert _seen(train) == [
        ([(f"{prepared}/a.png", 0), (f"{augmented}/a.tif", 1), (f"{augmented}/a.tif", 2)], "brain"),
        ([(f"{prepared}/c.png", 0), (f"{augmented}/c.tif", 1)], "thorax"),
    ]
    assert _seen(val) == [([(f"{prepared}/b.png", 0)], "femur")]
    bare, _ = examples("planes", table, copies[:0])
    assert _seen(bare)[1] == ([(f"{prepared}/c.png", 0)], "thorax")


@pytest.mark.parametrize("sides", [["val", "val"], ["train", "train"]])
def test_a_side_without_images_stops_before_keras_is_loaded(work, monkeypatch, sides):
    for name, content in (
        ("split/split.csv", "image,label,side\n" + "".join(f"{n},brain,{side}\n" for n, side in enumerate(sides))),
        ("augment/copies.csv", "copy,image\n"),
    ):
        path = work / "data/planes" / name
        path.parent.mkdir(parents=True)
        path.write_text(content)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(SonotraceError, match=r"^planes: .*split\.planes\.salt"):
        run("planes")
