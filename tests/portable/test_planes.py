"""The graph of a classifier says what its Keras model says, for each net of the project and any shape of image."""

import cv2
import keras
import numpy as np
import pytest

from sonotrace.errors import SonotraceError
from sonotrace.models.cnn import net
from sonotrace.models.ensemble import ensemble
from sonotrace.models.judgement import Judgement, outputs_of, two_outputs
from sonotrace.models.refusal import Scope
from sonotrace.portable.planes import graph_of
from sonotrace.portable.reading import PortableClassifier
from sonotrace.portable.writing import to_bytes

PLANES = ["abdomen", "brain", "femur", "thorax"]
RANDOM = np.random.default_rng(1)


def _entry(width, height):
    prepare = {"width": width, "height": height, "aspect": "stretch", "mask_overlays": False}
    return {"planes": PLANES, "certain": 0.8, "prepare": prepare}


def _trained(architecture, width, height):
    """Return a net with weights as after a training: batch norm knows what images give."""
    model = net(architecture, width, height, len(PLANES))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
            gamma, beta, *rest = layer.get_weights()
            layer.set_weights([gamma * RANDOM.uniform(0.8, 1.2, gamma.shape), beta + RANDOM.normal(0, 0.2), *rest])
        elif isinstance(layer, keras.layers.Dense):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, RANDOM.normal(0, 0.5, bias.shape)])
    for _ in range(30):
        model(_inputs(_images(width, height)), training=True)
    return model


def _judgement(model, images):
    """Return a judgement that calibrates, and refuses some images."""
    features = outputs_of(two_outputs(model), images).features
    scope = Scope.fit(features + RANDOM.normal(0, 0.1, features.shape), *model.layers[-1].get_weights())
    return Judgement(0.7, scope, round(float(np.median(scope.score(features))), 5))


def _images(width, height, count=8):
    """Return images that differ in grey level, contrast and grain."""
    small = RANDOM.normal(RANDOM.uniform(60, 190, (count, 1, 1)), RANDOM.uniform(10, 60, (count, 1, 1)), (count, 9, 9))
    return np.stack([cv2.resize(np.clip(one, 0, 255).astype(np.uint8), (width, height)) for one in small])


def _inputs(images):
    return images[..., None].astype(np.float32)


@pytest.mark.parametrize(
    ("architecture", "width", "height"),
    [
        ("residual", 64, 64),
        ("residual", 75, 50),
        ("published", 70, 53),
        ("efficientnet_lite0", 97, 64),
        ("efficientnet_lite2", 64, 65),
    ],
)
def test_answers_are_those_of_the_keras_model(tmp_path, architecture, width, height):
    model = _trained(architecture, width, height)
    images = _images(width, height)
    judgement = _judgement(model, _inputs(images))
    content = to_bytes(graph_of(model, judgement), _entry(width, height))
    native = judgement.answers(outputs_of(two_outputs(model), _inputs(images)))
    ours = PortableClassifier(content, tmp_path).answers(images)
    assert np.ptp(native.probabilities, axis=0).max() > 1e-3, "the images are not told apart"
    assert np.allclose(ours.probabilities, native.probabilities, rtol=0, atol=1e-4)
    assert np.allclose(ours.scope, native.scope, rtol=1e-4, atol=1e-4 * np.ptp(native.scope))
    assert 0 < native.in_scope.sum() < len(images)


def test_an_ensemble_is_the_mean_over_members_and_mirror_images(tmp_path):
    model = ensemble([_trained("residual", 75, 50) for _ in range(2)])
    images = _images(75, 50)
    ours = PortableClassifier(to_bytes(graph_of(model, Judgement(1.5)), _entry(75, 50)), tmp_path).answers(images)
    native = Judgement(1.5).answers(outputs_of(two_outputs(model), _inputs(images)))
    assert np.allclose(ours.probabilities, native.probabilities, rtol=0, atol=1e-4)
    assert np.isnan(ours.scope).all()
    assert ours.in_scope.all()


def test_a_model_gives_the_same_bytes_again_and_another_gives_others():
    model = _trained("residual", 64, 64)
    first, second = (to_bytes(graph_of(model, Judgement()), _entry(64, 64)) for _ in range(2))
    assert first == second
    assert first != to_bytes(graph_of(_trained("residual", 64, 64), Judgement()), _entry(64, 64))


def test_a_layer_that_is_not_known_is_named():
    layers = [keras.Input((8, 8, 1)), keras.layers.UpSampling2D(name="larger"), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(2, activation="softmax")], name="strange")
    with pytest.raises(SonotraceError, match=r"^strange: its layer larger, UpSampling2D, has no ONNX form"):
        graph_of(model, Judgement())
