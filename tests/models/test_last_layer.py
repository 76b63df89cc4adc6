"""The last layer that a training of published weights begins with."""

import subprocess
import sys

SCRIPT = """
from pathlib import Path

import numpy as np

from sonotrace.images.grey import STORED, write_png
from sonotrace.images.packs import Part
from sonotrace.models import training
from sonotrace.models.examples import Example, stack
from sonotrace.params.prepare import PrepareOne
from sonotrace.params.train_cnn import TrainCnn

NAMES = ["abdomen", "brain", "femur", "thorax"]
steps = {"epochs": 1, "batch": 4, "seed": 1, "learning_rate": 1e-9, "class_weights": False}
net = {"architecture": "efficientnet_lite0", "weights": "imagenet", "weights_sha256": None}
params = TrainCnn.model_validate(steps | net | {"threads": 1, "device": "cpu", "mixed_precision": False})
preparation = PrepareOne(width=64, height=64, aspect="stretch", mask_overlays=False)
random, shown = np.random.default_rng(0), []
for number in range(12):  # stripes and noise, which the published features tell apart
    stripes = np.indices((64, 64))[number % 2] // (number // 2 + 1) % 2 * 200
    shown.append(Part(Path(f"{number}.png")))
    write_png((stripes + random.integers(0, 50, (64, 64))).astype(np.uint8), shown[-1].file, STORED)
training.start("planes", params)
from sonotrace.models import cnn, last_layer

model = cnn.build("train_cnn.planes", params, 64, 64, NAMES, 1)
for present in (NAMES, ["brain", "thorax", "femur"], ["thorax", "brain"], ["femur"]):
    labels = [present[at * len(present) // len(shown)] for at in range(len(shown))]
    before = model.get_layer("plane").get_weights()
    last_layer.fit(model, training.batches_of(shown), labels, NAMES)
    said = [NAMES[at] for at in model.predict_on_batch(stack(shown)).argmax(1)]
    if len(present) > 1:
        assert said == labels, (present, said)
    else:
        assert all((old == new).all() for old, new in zip(before, model.get_layer("plane").get_weights()))
labels = [NAMES[at * 4 // len(shown)] for at in range(len(shown))]
train = [Example([view], label) for view, label in zip(shown, labels)]
# At this rate the training itself changes nothing: what the net knows, it knows before.
model = training.trained("test", "planes", train, NAMES, params, preparation).model
assert [NAMES[at] for at in model.predict_on_batch(stack(shown)).argmax(1)] == labels
"""
"""Run in a process of its own: PyTorch may have been imported into that of the tests."""


def test_a_training_of_published_weights_begins_with_a_last_layer_that_answers(tmp_path):
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, check=True)
