"""The stage stops before anything heavy is loaded where it cannot train."""

import sys

import pandas as pd
import pytest

from sonotrace.errors import SonotraceError
from sonotrace.running.outputs import write_csv
from sonotrace.stages.train_yolo import run


@pytest.fixture(autouse=True)
def _environment_restored(monkeypatch):
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    for name in (*names, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setitem(sys.modules, "torch", None)


def test_weights_that_are_not_there_stop_it_before_any_image_is_laid_out(work, set_param):
    set_param("train_yolo.structures.weights", "gone.pt")
    set_param("train_yolo.structures.weights_sha256", "0" * 64)
    with pytest.raises(SonotraceError, match=r"train_yolo\.structures\.weights: gone\.pt cannot be read"):
        run("structures")
    assert not list((work / "data/structures").iterdir())


@pytest.mark.parametrize("side", ["train", "val"])
def test_a_side_without_images_stops_it_and_leaves_no_scratch_folder(work, side):
    at = work / "data/structures"
    write_csv(pd.DataFrame({"image": ["a"], "side": [side]}), at / "split/split.csv")
    write_csv(pd.DataFrame(columns=["copy", "image"]), at / "augment/copies.csv")
    with pytest.raises(SonotraceError, match=r"^structures: .*split\.structures\.salt"):
        run("structures")
    assert sorted(path.name for path in at.iterdir()) == ["augment", "split"]
