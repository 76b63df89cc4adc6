"""EfficientNet-Lite (Tan & Le 2019; Lite variants by Google, 2020) for grey images, in Keras 3.

Inverted residual blocks with ReLU6 and without squeeze-and-excite, so the nets export and quantise well.
Published weights are for colour images: fed the same grey image three times, their first convolution is
one whose kernel is the sum over the three, so that is what the nets here have, with the same answers.
"""

import math
from dataclasses import dataclass

import keras
from keras import layers

STAGES = (
    # kernel, stride, expansion, filters, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""Of EfficientNet-B0, from which the others are scaled."""
STEM, HEAD = 32, 1280
"""Filters of the first and the last convolution; Lite variants do not scale them."""
DIVISOR = 8
"""Filters are multiples of it."""
EPSILON = 1e-3


@dataclass(frozen=True)
class Scale:
    """How a variant differs from EfficientNet-B0."""

    width: float
    depth: float
    dropout: float


SCALES = {"efficientnet_lite0": Scale(1.0, 1.0, 0.2), "efficientnet_lite2": Scale(1.1, 1.2, 0.3)}


def efficientnet(architecture: str, width: int, height: int, classes: int, momentum: float = 0.99) -> keras.Model:
    """Return the net; images (n, height, width, 1), 0 to 255, to probabilities (n, classes).

    `momentum` is that of batch norm's running means. The features before the last layer are
    those of the layer `features`, shape (n, 1280).
    """
    scale = SCALES[architecture]
    image = keras.Input((height, width, 1), name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128)(image)
    x = _activated(_convolution(x, STEM, 3, 2, momentum, "stem"), "stem")
    number, last = 0, len(STAGES) - 1
    for stage, (kernel, stride, expansion, filters, blocks) in enumerate(STAGES):
        repeats = blocks if stage in (0, last) else math.ceil(scale.depth * blocks)
        for repeat in range(repeats):
            first = stride if repeat == 0 else 1
            x = _block(x, kernel, first, expansion, rounded(filters * scale.width), momentum, f"block{number}")
            number += 1
    x = _activated(_convolution(x, HEAD, 1, 1, momentum, "head"), "head")
    x = layers.GlobalAveragePooling2D(name="features")(x)
    x = layers.Dropout(scale.dropout, name="dropout")(x)
    plane = layers.Dense(classes, activation="softmax", dtype="float32", name="plane")(x)
    return keras.Model(image, plane, name=architecture)


def rounded(filters: float) -> int:
    """Return the nearest multiple of DIVISOR that is at most a tenth smaller."""
    nearest = max(DIVISOR, int(filters + DIVISOR / 2) // DIVISOR * DIVISOR)
    return nearest + DIVISOR if nearest < 0.9 * filters else nearest


def _block(
    x: keras.KerasTensor, kernel: int, stride: int, expansion: int, filters: int, momentum: float, name: str
) -> keras.KerasTensor:
    shortcut, given = x, x.shape[-1]
    if expansion != 1:
        x = _activated(_convolution(x, given * expansion, 1, 1, momentum, f"{name}_expand"), f"{name}_expand")
    x = layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = _activated(_normalised(x, momentum, f"{name}_depthwise"), f"{name}_depthwise")
    x = _convolution(x, filters, 1, 1, momentum, f"{name}_project")
    return layers.Add(name=f"{name}_add")([x, shortcut]) if stride == 1 and given == filters else x


def _convolution(
    x: keras.KerasTensor, filters: int, kernel: int, stride: int, momentum: float, name: str
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False, name=name)(x)
    return _normalised(x, momentum, name)


def _normalised(x: keras.KerasTensor, momentum: float, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=momentum, epsilon=EPSILON, name=f"{name}_norm")(x)


def _activated(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(max_value=6.0, name=f"{name}_relu")(x)
