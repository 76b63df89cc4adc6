"""A training of the plane classifier as one writes it without a pipeline: for engine_overhead.py.

Folders of classes, `image_dataset_from_directory`, `model.fit`, `model.save`. It takes the stage's
net, optimizer and seed, keeps operations deterministic as the stage does, and leaves out the last
batch of an epoch where it is not whole, so that both take the same number of steps.

    PYTHONPATH=src python benchmarks/bare_keras.py FOLDER WIDTH HEIGHT TRAIN_CNN_SECTION_AS_JSON

FOLDER: holds train/<plane>/*.png and val/<plane>/*.png; model.keras is written there.
"""

import json
import sys
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from sonotrace.kinds.planes import PLANES
from sonotrace.models.cnn import build
from sonotrace.params.train_cnn import TrainCnn


def main(folder: Path, width: int, height: int, params: dict[str, Any]) -> None:
    keras.utils.set_random_seed(params["seed"])
    tf.config.experimental.enable_op_determinism()
    sides = {
        side: keras.utils.image_dataset_from_directory(
            folder / side,
            class_names=list(PLANES),
            label_mode="categorical",
            color_mode="grayscale",
            image_size=(height, width),
            batch_size=None,
            shuffle=side == "train",
            seed=params["seed"],
        )
        for side in ("train", "val")
    }
    train = sides["train"].batch(params["batch"], drop_remainder=True).prefetch(2)
    val = sides["val"].batch(params["batch"])
    steps = len(train) * params["epochs"]
    model = build("train_cnn", TrainCnn.model_validate(params), width, height, PLANES, steps)
    model.fit(train, validation_data=val, epochs=params["epochs"], verbose=2)
    model.save(folder / "model.keras")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4]))
