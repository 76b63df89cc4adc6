"""A training begins with the weights that the parameters name, or stops with a line that says what is wrong."""

import subprocess
import sys

SCRIPT = """
import hashlib
from pathlib import Path

import numpy as np

from sonotrace.errors import SonotraceError
from sonotrace.models.cnn import build, net
from sonotrace.models.files import write_keras
from sonotrace.models import published, weights
from sonotrace.params.train_cnn import TrainCnn

PLANES = ["brain", "femur"]
SECTION = "train_cnn.planes"
common = {"epochs": 1, "batch": 4, "seed": 1, "threads": 1, "device": "cpu", "mixed_precision": False}
common |= {"learning_rate": 1e-3, "class_weights": False}


def made(architecture, begin, sha256=None, size=32, names=PLANES):
    params = TrainCnn(architecture=architecture, weights=begin, weights_sha256=sha256, **common)
    return build(SECTION, params, size, size, names, 4)


def refused(*begins, **arguments):
    try:
        made(*begins, **arguments)
    except SonotraceError as error:
        return str(error)
    raise AssertionError("these weights were taken")


model = net("residual", 32, 32, 2)
path = Path("given.keras")
write_keras(model, {"planes": PLANES, "prepare": {}}, path)
sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
begun = made("residual", "given.keras", sha256)
assert all((one == other).all() for one, other in zip(begun.get_weights(), model.get_weights()))

assert refused("residual", "gone.keras", sha256).startswith(
    "params.yaml: train_cnn.planes.weights: gone.keras cannot be read (No such file"
)
said = refused("residual", "given.keras", "0" * 64)
assert said.startswith(f"given.keras: sha256 is {sha256}, not train_cnn.planes.weights_sha256 000")
assert "2 classes" in refused("residual", "given.keras", sha256, names=["brain", "femur", "thorax"])
said = refused("published", "given.keras", sha256)
assert said.startswith("params.yaml: train_cnn.planes.weights: given.keras holds a net of architecture residual")
assert all("\\n" not in each for each in (said, refused("residual", "gone.keras", sha256)))

first = made("efficientnet_lite0", "imagenet").get_layer("stem").get_weights()[0]
again = made("efficientnet_lite0", "none").get_layer("stem").get_weights()[0]
assert first.shape == again.shape == (3, 3, 1, 32) and np.abs(first - again).max() > 0.1
layers = made("efficientnet_lite0", "imagenet").layers
frozen = [layer.name for layer in layers if layer.weights and not layer.trainable]
assert frozen
assert all(name.endswith("_norm") for name in frozen)
lite = net("efficientnet_lite0", 32, 32, 2)
write_keras(lite, {"planes": PLANES, "prepare": {}}, Path("lite.keras"))
own = made("efficientnet_lite0", "lite.keras", hashlib.sha256(Path("lite.keras").read_bytes()).hexdigest()).layers
assert [layer.name for layer in own if layer.weights and not layer.trainable] == frozen
assert all(layer.trainable for layer in begun.layers if layer.weights)

weights.PUBLISHED["efficientnet_lite0"] = published.Published("no-such-package", "here.pth", "0" * 64)
assert "no-such-package is not installed" in refused("efficientnet_lite0", "imagenet")
weights.PUBLISHED["efficientnet_lite0"] = published.Published("keras", "keras/__init__.py", "0" * 64)
assert "install keras anew" in refused("efficientnet_lite0", "imagenet")
"""
"""Run in a process of its own: PyTorch may have been imported into that of the tests."""


def test_weights_are_taken_over_or_refused_by_name(tmp_path):
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, check=True)
