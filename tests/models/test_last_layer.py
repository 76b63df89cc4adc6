"""The last layer that a training of published weights begins with."""

import subprocess
import sys

SCRIPT = """
from pathlib import Path

import keras
import numpy as np

from sonotrace.images.grey import STORED, write_png
from sonotrace.models import cnn, last_layer, weights
from sonotrace.models.examples import View, stack

NAMES = ["abdomen", "brain", "femur", "thorax"]
keras.utils.set_random_seed(0)
model = cnn.net("efficientnet_lite0", 32, 32, len(NAMES))
weights.load_imagenet(model, "train_cnn.planes")
last = model.get_layer("plane")

# It answers right from the features that it is given, whichever classes there are.
random = np.random.default_rng(1)
features = random.normal(size=(36, 1280)).astype(np.float32)
for present in (NAMES, ["brain", "thorax", "femur"], ["thorax", "brain"]):
    labels = [present[at % len(present)] for at in range(36)]
    last_layer.set_last(model, features, labels, NAMES)
    kernel, bias = last.get_weights()
    assert [NAMES[at] for at in (features @ kernel + bias).argmax(1)] == labels, present

# One class alone leaves it as it is.
before = last.get_weights()[0]
last_layer.set_last(model, np.ones((3, 1280), np.float32), ["brain"] * 3, NAMES)
assert np.array_equal(before, last.get_weights()[0])

# Images give the features.
shown = []
for number, grey in enumerate([0, 250, 10, 240, 20, 230]):
    shown.append(View(Path(f"{number}.png")))
    write_png(np.full((32, 32), grey, np.uint8), shown[-1].file, STORED)
last_layer.fit(model, shown, ["brain", "femur"] * 3, NAMES)
said = model.predict_on_batch(stack(shown))
assert [NAMES[at] for at in said.argmax(1)] == ["brain", "femur"] * 3
"""
"""Run in a process of its own: PyTorch may have been imported into that of the tests."""


def test_the_last_layer_answers_from_the_features(tmp_path):
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, check=True)
