"""The plane classifiers: Keras 3 models, whatever the backend.

All take grey images of shape (n, height, width, 1), float32, 0 to 255, and return probabilities of
shape (n, classes). Augmentation stays outside, so that the models export.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
from keras import layers

from sonotrace.models.efficientnet import efficientnet
from sonotrace.models.weights import load_imagenet, load_own
from sonotrace.params.train_cnn import TrainCnn

WARM_UP = 0.1
"""Share of the steps over which the learning rate rises."""
WEIGHT_DECAY = {"residual": 1e-3, "efficientnet_lite0": 1e-2, "efficientnet_lite2": 1e-2}
LABEL_SMOOTHING = 0.1
MOMENTUM = 0.9
"""Of batch norm's running means: Keras' 0.99 needs more steps than a small data set gives."""


def build(section: str, params: TrainCnn, width: int, height: int, names: Sequence[str], steps: int) -> keras.Model:
    """Return a compiled model that names `names`; `steps` is the number of batches the training will take.

    Where an EfficientNet begins with trained weights, batch norm keeps its means and variances: those of a few
    hundred images are no better, and not computing them halves the time. Raises SonotraceError, naming `section` of
    params.yaml, where the weights cannot be used.
    """
    model = net(params.architecture, width, height, len(names))
    if params.weights == "imagenet":
        load_imagenet(model, section)
    elif params.weights != "none":
        load_own(model, Path(params.weights), str(params.weights_sha256), section, list(names))
    if params.weights != "none" and params.architecture.startswith("efficientnet"):
        for layer in model.layers:
            layer.trainable = not isinstance(layer, layers.BatchNormalization)
    return compiled(model, params.learning_rate, steps)


def compiled(model: keras.Model, learning_rate: float, steps: int) -> keras.Model:
    """Give a model of `net` the optimizer and the loss of its architecture."""
    if model.name == "published":
        optimizer, smoothing = keras.optimizers.Adam(learning_rate), 0.0
    else:
        optimizer = keras.optimizers.AdamW(cosine(learning_rate, steps), weight_decay=WEIGHT_DECAY[model.name])
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        smoothing = LABEL_SMOOTHING
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    return model


def net(architecture: str, width: int, height: int, classes: int) -> keras.Model:
    """Return a net of this architecture, with weights drawn at random."""
    if architecture == "published":
        return published(width, height, classes)
    if architecture == "residual":
        return residual(width, height, classes)
    return efficientnet(architecture, width, height, classes, MOMENTUM)


def cosine(peak: float, steps: int) -> keras.optimizers.schedules.CosineDecay:
    """Rise to `peak` over the first steps, then fall to zero along a half cosine."""
    warm_up = max(1, round(WARM_UP * steps))
    return keras.optimizers.schedules.CosineDecay(
        peak / warm_up, max(1, steps - warm_up), warmup_target=peak, warmup_steps=warm_up
    )


def published(width: int, height: int, classes: int) -> keras.Model:
    """Return the published project's net: three convolutions, flatten, dense; 14.8 M parameters at 256x256."""
    return keras.Sequential(
        [
            keras.Input((height, width, 1), name="image"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax", dtype="float32", name="plane"),
        ],
        name="published",
    )


def residual(width: int, height: int, classes: int) -> keras.Model:
    """Return a small residual net (He et al. 2016) for few images, trained from nothing; 0.7 M parameters.

    The image is halved by averaging first, which speckle survives badly and anatomy well.
    """
    image = keras.Input((height, width, 1), name="image")
    x = layers.AveragePooling2D(2)(layers.Rescaling(1 / 127.5, offset=-1)(image))
    x = _convolution(x, 24, size=5, stride=2)
    for filters, stride in ((24, 1), (48, 2), (96, 2), (192, 2)):
        x = _block(x, filters, stride)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    plane = layers.Dense(classes, activation="softmax", dtype="float32", name="plane")(x)
    return keras.Model(image, plane, name="residual")


def _convolution(x: keras.KerasTensor, filters: int, size: int = 3, stride: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=MOMENTUM)(x))


def _block(x: keras.KerasTensor, filters: int, stride: int) -> keras.KerasTensor:
    shortcut = x
    if stride > 1 or x.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, strides=stride, use_bias=False)(x)
        shortcut = layers.BatchNormalization(momentum=MOMENTUM)(shortcut)
    x = _convolution(x, filters, stride=stride)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=MOMENTUM)(x)
    return layers.ReLU()(layers.Add()([x, shortcut]))
