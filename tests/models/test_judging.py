"""A model file carries its temperature and its limit; files of before have neither, and refuse nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sonotrace.models import judging

SET_UP = """
import zipfile
from pathlib import Path

import keras
import numpy as np

from sonotrace.images.grey import write_png
from sonotrace.images.packs import Part
from sonotrace.models import judging
from sonotrace.models.classifier import PlaneClassifier
from sonotrace.models.examples import Example
from sonotrace.models.files import write_keras

PREPARATION = {"width": 32, "height": 32, "aspect": "stretch", "mask_overlays": False}
NAMES = ["abdomen", "brain"]
keras.utils.set_random_seed(1)
layers = [keras.layers.Rescaling(1 / 255), keras.layers.AveragePooling2D(4), keras.layers.Flatten()]
net = keras.Sequential([keras.Input((32, 32, 1)), *layers, keras.layers.Dense(2, "softmax")])
kernel = np.zeros((64, 2))
kernel[:32, 0] = kernel[32:, 1] = 0.06
net.set_weights([kernel, np.zeros(2)])
random = np.random.default_rng(1)


def picture(brain, wrong=False):
    image = random.integers(0, 60, (32, 32))
    image[16:] += 120 * brain
    image[:16] += 120 * (not brain)
    return np.roll(image, 16 * wrong, axis=0).astype(np.uint8)


def side(name, count, errors=0):
    found = []
    for number in range(count):
        path = Path(f"{name}{number}.png")
        path.unlink(missing_ok=True)
        write_png(picture(number % 2, number < errors), path)
        found.append(Example([Part(path)], NAMES[number % 2]))
    return found


def write(judged, path):
    entry = {"planes": NAMES, "prepare": PREPARATION, "judgement": judged.entry()}
    write_keras(net, entry, path, judged.arrays())
    return path.read_bytes()
"""
CARRIED = """
train, val = side("train", 40), side("val", 40, errors=2)
path = Path("planes.keras")
content = write(judging.fit("train_cnn", "planes", net, train, val, NAMES), path)
assert content == write(judging.fit("train_cnn", "planes", net, train, val, NAMES), path)
assert {member.date_time for member in zipfile.ZipFile(path).infolist()} == {(1980, 1, 1, 0, 0, 0)}
assert keras.models.load_model(path).predict_on_batch(np.zeros((1, 32, 32, 1))).shape == (1, 2)
classifier = PlaneClassifier(content, path)
shown = [picture(number % 2) for number in range(40)]
found = classifier.answers(shown)
bare = net.predict_on_batch(np.stack(shown)[..., None].astype(np.float32))
assert (found.probabilities.argmax(axis=1) == bare.argmax(axis=1)).all()
assert found.probabilities.max(axis=1).mean() > bare.max(axis=1).mean(), "the net is right more often than it says"
assert found.in_scope.mean() > 0.8
strange = [np.full((32, 32), level, np.uint8) for level in (0, 255)] + [np.eye(32, dtype=np.uint8) * 255]
assert not classifier.answers(strange).in_scope.any()
"""
OLD = """
path = Path("planes.keras")
write_keras(net, {"planes": NAMES, "prepare": PREPARATION}, path)
found = PlaneClassifier(path.read_bytes(), path).answers([np.zeros((32, 32), np.uint8), picture(True)])
bare = net.predict_on_batch(np.stack([np.zeros((32, 32)), np.zeros((32, 32))])[..., None].astype(np.float32))
assert (found.probabilities[0] == bare[0]).all()
assert np.isnan(found.scope).all() and found.in_scope.all()
"""
FEW = """
judged = judging.fit("train_cnn", "planes", net, side("train", 20), side("val", 7), NAMES)
assert (judged.temperature, judged.scope, judged.arrays()) == (1, None, {})
assert PlaneClassifier(write(judged, path := Path("planes.keras")), path).answers([picture(True)]).in_scope.all()
"""
PERFECT = """
judged = judging.fit("train_cnn", "planes", net, side("train", 40), side("val", 40), NAMES)
assert 0.05 < judged.temperature < 1 and judged.scope is not None
"""


SAID = {
    CARRIED: "",
    OLD: "",
    FEW: r"warning: planes: 7 validation images, fewer than 20: .*raise split\.planes\.fractions\.val",
    PERFECT: r"warning: planes: no error among 40 validation images: .*raise split\.planes\.fractions\.val",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Run all of it in one process of its own: PyTorch may have been imported into that of the tests."""
    code = "".join([SET_UP, *(f"{part}\nprint('-----')\n" for part in SAID)])
    environment = os.environ | {"PYTHONPATH": str(Path(judging.__file__).parents[2])}
    folder = tmp_path_factory.mktemp("judging")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(SAID, done.stdout.split("-----"), strict=False))


@pytest.mark.parametrize("part", SAID, ids=["carried", "old", "few", "perfect"])
def test_a_judgement_is_fitted_and_carried_and_what_is_doubtful_is_said(said, part):
    assert re.search(SAID[part], said[part])
    assert ("warning" in said[part]) == bool(SAID[part])
