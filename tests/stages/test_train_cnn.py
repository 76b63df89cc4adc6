"""What the stage learns from: the train side with its copies, held to the val side."""

import sys

import numpy as np
import pytest
from packed import packed

from sonotrace.errors import SonotraceError
from sonotrace.stages.train_cnn import run


@pytest.mark.parametrize("sides", [["val", "val"], ["train", "train"]])
def test_a_side_without_images_stops_before_keras_is_loaded(work, monkeypatch, sides):
    for name, content in (
        ("split/split.csv", "image,label,side\n" + "".join(f"{n},brain,{side}\n" for n, side in enumerate(sides))),
        ("augment/copies.csv", "copy,image\n"),
    ):
        path = work / "data/planes" / name
        path.parent.mkdir(parents=True)
        path.write_text(content)
    packed(work / "data/planes/prepare/images", {f"{n}": np.zeros((8, 8), np.uint8) for n in range(2)})
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(SonotraceError, match=r"^planes: .*split\.planes\.salt"):
        run("planes")
