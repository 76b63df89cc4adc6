"""Several plane classifiers as one."""

from collections.abc import Sequence

import keras
from keras import layers


def ensemble(members: Sequence[keras.Model]) -> keras.Model:
    """Return a model whose answer is the mean of what the members say of an image and of its mirror image.

    All members take images of one shape and name the same classes in the same order.
    """
    image = keras.Input(members[0].input_shape[1:], name="image")
    mirrored = keras.ops.flip(image, axis=2)
    answers = []
    for number, member in enumerate(members, start=1):
        member.name = f"member{number}"
        answers += [member(image), member(mirrored)]
    mean = layers.Average(name="mean")(answers)
    return keras.Model(image, layers.Activation("linear", dtype="float32", name="plane")(mean), name="ensemble")
