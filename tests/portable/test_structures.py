"""The graph of a detector finds what Ultralytics' own predict finds, in images that are not square too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sonotrace import portable

BOTH = """
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

from sonotrace.models.detector import StructureDetector
from sonotrace.models.files import write_yolo
from sonotrace.params.export_onnx import ExportStructures
from sonotrace.portable.reading import PortableDetector
from sonotrace.running.environment import quiet_ultralytics
from sonotrace.stages.export_onnx import _structures

width, height, imgsz = map(int, sys.argv[1:])
torch.manual_seed(1)
quiet_ultralytics()
from ultralytics.nn.tasks import DetectionModel

net = DetectionModel("yolov8n.yaml", nc=3, verbose=False)
net.args = {"imgsz": imgsz}
random = np.random.default_rng(1)
images = [cv2.GaussianBlur(random.integers(0, 256, (height, width), dtype=np.uint8), (9, 9), 0) for _ in range(3)]
images = [cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX) for image in images]
for module in net.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        module.momentum = 0.5
seen = torch.from_numpy(np.stack(images))[:, None, : height // 32 * 32, : width // 32 * 32].repeat(1, 3, 1, 1) / 255
for _ in range(30):  # batch norm comes to know what images give, as in a training
    net.train()(seen)
for branch in net.model[-1].cv3:
    branch[-1].bias.data.fill_(-1)
net.names = {0: "CHOROID_PLEXUS", 1: "CSP", 2: "MIDLINE_FALX"}
torch.save({"model": net, "train_args": {"imgsz": imgsz, "task": "detect"}}, "trained.pt")
path = Path("structures.pt")
preparation = {"width": width, "height": height, "aspect": "stretch", "mask_overlays": False}
write_yolo(Path("trained.pt"), {"prepare": preparation, "imgsz": imgsz}, path)
content = path.read_bytes()
params = ExportStructures(model="structures.pt", confidence=0.25)
made = _structures(content, path, params, images)
assert made == _structures(content, path, params, images), "other bytes"
native = StructureDetector(content, path).detect(images, 0.25)
ours = PortableDetector(made, path).detect(images, 0.25)
assert all(len(one.structures) > 3 for one in native), "nothing to compare"
assert len({name for one in native for name in one.structures}) > 1, "one class alone"


def held(one, other):
    # Each box of `one` that is not at the limit is held to the one of `other` that is most like it.
    for structure, certain, box in zip(one.structures, one.confidences, one.boxes, strict=True):
        if certain > 0.2501:
            same = np.array(other.structures) == structure
            far = np.abs(other.boxes[same] - box).max(axis=1) / 0.01, np.abs(other.confidences[same] - certain) / 1e-4
            assert np.maximum(*far).min() < 1, (structure, certain, box)  # 0.01 px, 1e-4 in confidence



for one, other in zip(native, ours, strict=True):
    held(one, other)
    held(other, one)
"""
"""Run in a process of its own: TensorFlow may have been imported into that of the tests."""


@pytest.mark.parametrize("sizes", [(160, 108, 128), (70, 150, 96)], ids=str)
def test_boxes_are_those_of_ultralytics(tmp_path, sizes):
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"
    )  # boxes as sure as each other tie by the last digit
    environment = os.environ | threads | {"PYTHONPATH": str(Path(portable.__file__).parents[2])}
    command = [sys.executable, "-c", BOTH, *map(str, sizes)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
