"""The last layer that a training of published weights begins with."""

from pathlib import Path

import numpy as np
import pytest

from sonotrace.images.grey import STORED, write_png
from sonotrace.models.examples import View, stack
from sonotrace.running.environment import use_keras

NAMES = ["abdomen", "brain", "femur", "thorax"]


@pytest.fixture(scope="module")
def model():
    use_keras()
    import keras

    from sonotrace.models import cnn, weights

    keras.utils.set_random_seed(0)
    made = cnn.net("efficientnet_lite0", 32, 32, len(NAMES))
    weights.load_imagenet(made, "train_cnn.planes")
    return made


def views(folder: Path, greys: list[int]) -> list[View]:
    """Write images of one grey each."""
    found = []
    for number, grey in enumerate(greys):
        found.append(View(folder / f"{number}.png"))
        write_png(np.full((32, 32), grey, np.uint8), found[-1].file, STORED)
    return found


@pytest.mark.parametrize("present", [NAMES, ["brain", "thorax", "femur"], ["thorax", "brain"]])
def test_it_answers_right_from_the_features_that_it_is_given(model, present):
    from sonotrace.models import last_layer

    random = np.random.default_rng(1)
    labels = [present[at % len(present)] for at in range(36)]
    features = random.normal(size=(36, 1280)).astype(np.float32)
    last_layer.set_last(model, features, labels, NAMES)
    kernel, bias = model.get_layer("plane").get_weights()
    said = features @ kernel + bias
    assert [NAMES[at] for at in said.argmax(1)] == labels


def test_images_give_the_features(model, tmp_path):
    from sonotrace.models import last_layer

    shown = views(tmp_path, [0, 250, 10, 240, 20, 230])
    last_layer.fit(model, shown, ["brain", "femur"] * 3, NAMES)
    said = model.predict_on_batch(stack(shown))
    assert [NAMES[at] for at in said.argmax(1)] == ["brain", "femur"] * 3


def test_one_class_alone_leaves_the_layer_as_it_is(model):
    from sonotrace.models import last_layer

    before = model.get_layer("plane").get_weights()[0]
    last_layer.set_last(model, np.ones((3, 1280), np.float32), ["brain"] * 3, NAMES)
    assert np.array_equal(before, model.get_layer("plane").get_weights()[0])
