"""A model is loaded from the bytes that were checked; the file may be gone or another by then."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sonotrace.errors import SonotraceError
from sonotrace.models import files
from sonotrace.models.files import private_copy, read_yolo_entry

GONE = Path("gone.pt")


CLASSIFIER = """
from pathlib import Path

import keras

from sonotrace.errors import SonotraceError
from sonotrace.models.files import read_keras, write_keras

model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
path = Path("planes.keras")
write_keras(model, {"planes": ["brain", "femur"]}, path)
content = path.read_bytes()
path.unlink()
loaded, entry, arrays = read_keras(content, path)
assert (entry, arrays) == ({"planes": ["brain", "femur"]}, {})
assert [weights.tolist() for weights in loaded.get_weights()] == [one.tolist() for one in model.get_weights()]
try:
    read_keras(b"something else", path)
except SonotraceError as error:
    assert str(error).startswith("planes.keras: not a model of train_cnn")
else:
    raise AssertionError("other bytes were loaded")
"""
"""Run in a process of its own: PyTorch may have been imported into that of the tests."""


def test_a_keras_model_is_loaded_from_its_bytes_alone_and_other_bytes_are_refused(tmp_path):
    _run(CLASSIFIER, tmp_path)


def test_other_bytes_are_refused_by_the_name_of_their_file():
    for content in (b"", b"something else", b"\x80\x02N."):
        with pytest.raises(SonotraceError, match=r"^gone\.pt: not a model of train_yolo"):
            read_yolo_entry(content, GONE)


DETECTOR = """
from pathlib import Path

import torch

from sonotrace.images.preparation import Preparation
from sonotrace.models.detector import StructureDetector
from sonotrace.models.files import write_yolo
from sonotrace.running.environment import quiet_ultralytics

net = quiet_ultralytics()("yolov8n.yaml", task="detect").model
net.args = {"imgsz": 64}
torch.save({"model": net, "train_args": {"imgsz": 64, "task": "detect"}}, "trained.pt")
path = Path("structures.pt")
preparation = {"width": 64, "height": 64, "aspect": "stretch", "mask_overlays": False}
write_yolo(Path("trained.pt"), {"prepare": preparation, "imgsz": 64}, path)
content = path.read_bytes()
path.write_bytes(b"something evil")
detector = StructureDetector(content, path)
assert detector.preparation == Preparation.from_mapping(preparation)
"""
"""Run in a process of its own: TensorFlow may have been imported into that of the tests."""


def test_a_detector_is_loaded_from_bytes_alone(tmp_path):
    _run(DETECTOR, tmp_path)


def test_a_private_copy_is_for_this_user_only_and_does_not_stay():
    with private_copy(b"content", Path("models/planes.keras")) as copy:
        assert (copy.name, copy.read_bytes()) == ("planes.keras", b"content")
        assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert not copy.parent.exists()


def _run(code, folder):
    environment = os.environ | {"PYTHONPATH": str(Path(files.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)
