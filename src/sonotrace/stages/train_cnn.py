"""train_cnn: train the plane classifier, and keep the epoch that validates best.

Needs `split.csv`, the prepared images and their augmented copies; leaves `models/planes.keras` and
the loss and accuracy of each epoch in `plots/train_cnn`.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import Grey, read_grey, read_page
from sonotrace.kinds.planes import classes_in
from sonotrace.params import TrainCnn, load
from sonotrace.places import MODELS, PLOTS, folder
from sonotrace.running import environment
from sonotrace.running.progress import bar, epoch_log, native_noise_hidden, say
from sonotrace.tables import read_table


class View(NamedTuple):
    """What an epoch may show of an image: the prepared image or, by its page, an augmented copy."""

    file: Path
    page: int = 0

    def read(self) -> Grey:
        """Read it, shape (height, width)."""
        return read_page(self.file, self.page) if self.page else read_grey(self.file)


def run() -> None:
    """Train on the train side of planes and write the model with its names and preparation."""
    everything = load()
    params, preparation = everything.train_cnn, everything.prepare.planes
    environment.use_threads(params.threads)
    environment.use_device(params.device)
    table = read_table(folder("planes", "split") / "split.csv")
    copies = read_table(folder("planes", "augment") / "copies.csv")
    train, val, names = views(table, copies), table[table["side"] == "val"], classes_in(table["label"])
    if not train or val.empty:
        raise SonotraceError(
            f"planes: {len(train)} training and {len(val)} validation images; bring more patients or "
            "change split.planes.salt"
        )
    with native_noise_hidden():
        import keras

        set_up(params)
    from sonotrace.models.cnn import build
    from sonotrace.models.files import write_keras

    batch = min(params.batch, len(train))
    per_epoch = len(train) // batch
    say(f"train_cnn: {params.architecture} net, {len(train)} images, {params.epochs} epochs")
    model = build(
        params.architecture,
        preparation.width,
        preparation.height,
        len(names),
        params.learning_rate,
        per_epoch * params.epochs,
    )
    best = keras.callbacks.EarlyStopping("val_loss", mode="min", patience=params.epochs, restore_best_weights=True)
    with bar("train_cnn", per_epoch * params.epochs) as advance, epoch_log(PLOTS / "train_cnn") as live:
        model.fit(
            training_batches(train, names, batch, params.seed),
            steps_per_epoch=per_epoch,
            epochs=params.epochs,
            validation_data=_validation_batches(val, names, params.batch),
            class_weight=class_weights([label for _, label in train], names) if params.class_weights else None,
            callbacks=[best, _reporter(live, advance, params.epochs)],
            shuffle=False,
            verbose=0,
        )
    say(f"train_cnn: epoch {best.best_epoch + 1} validates best, with loss {best.best:.3f}")
    write_keras(model, {"planes": list(names), "prepare": preparation.model_dump()}, MODELS["planes"])


def views(table: pd.DataFrame, copies: pd.DataFrame) -> list[tuple[list[View], str]]:
    """Return, for each training image, its views (the original first, then copies) and its plane."""
    prepared, augmented = folder("planes", "prepare") / "images", folder("planes", "augment") / "images"
    numbers = copies.groupby("image").size()
    return [
        (views_of(row.image, prepared, augmented, numbers.get(row.image, 0)), str(row.label))
        for row in table[table["side"] == "train"].itertuples()
    ]


def views_of(image: str, prepared: Path, augmented: Path, copies: int) -> list[View]:
    """Return the views of one image, the original first."""
    of_copies = (View(augmented / f"{image}.tif", page) for page in range(1, copies + 1))
    return [View(prepared / f"{image}.png"), *of_copies]


def schedule(step: int, images: int, view_count: int, batch: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return which images batch number `step` of a training holds, and which view of each.

    Each epoch visits every image at most once, in an order of its own; an image's views take turns,
    in an order of the image's own, before one comes again. A function of its arguments alone, so
    that prefetching cannot change it.
    """
    epoch, position = divmod(step, images // batch)
    order = np.random.default_rng((seed, 0, epoch)).permutation(images)
    chosen = order[position * batch : (position + 1) * batch]
    cycle, turn = divmod(epoch, view_count)
    turns = np.random.default_rng((seed, 1, cycle)).random((images, view_count)).argsort(axis=1)
    return chosen, turns[chosen, turn]


def class_weights(labels: list[str], names: Sequence[str]) -> dict[int, float]:
    """Return index -> weight, in inverse proportion to how often a plane stands in `labels`.

    Planes that do not occur get weight 0; the weights average 1 over the images.
    """
    counts = [labels.count(plane) for plane in names]
    present = sum(count > 0 for count in counts)
    return {index: len(labels) / (present * count) if count else 0.0 for index, count in enumerate(counts)}


def stack(shown: list[View]) -> NDArray[np.float32]:
    """Read views as one array, shape (n, height, width, 1), 0 to 255."""
    return np.stack([view.read() for view in shown])[..., None].astype(np.float32)


def one_hot(labels: list[str], names: Sequence[str]) -> NDArray[np.float32]:
    """Return the planes' indicator rows, shape (n, len(names)), in the order of `names`."""
    return np.eye(len(names), dtype=np.float32)[[names.index(label) for label in labels]]


def training_batches(train: list[tuple[list[View], str]], names: Sequence[str], batch: int, seed: int) -> Any:
    """Return a Keras data set of all batches; images (batch, height, width, 1), planes one-hot."""
    from keras.utils import PyDataset

    view_count = max(len(views) for views, _ in train)

    class TrainingBatches(PyDataset):  # type: ignore[misc]
        """All batches of the training, numbered through from the first epoch to the last."""

        num_batches = None

        def __getitem__(self, step: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            chosen, turns = schedule(step, len(train), view_count, batch, seed)
            rows = [train[index] for index in chosen]
            shown = [views[turn % len(views)] for (views, _), turn in zip(rows, turns, strict=True)]
            return stack(shown), one_hot([label for _, label in rows], names)

    return TrainingBatches()


def _validation_batches(val: pd.DataFrame, names: Sequence[str], batch: int) -> Any:
    from keras.utils import PyDataset

    images = folder("planes", "prepare") / "images"
    shown = [View(images / f"{image}.png") for image in val["image"]]
    labels = list(val["label"])

    class ValidationBatches(PyDataset):  # type: ignore[misc]
        num_batches = math.ceil(len(shown) / batch)

        def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            part = slice(index * batch, (index + 1) * batch)
            return stack(shown[part]), one_hot(labels[part], names)

    return ValidationBatches()


def set_up(params: TrainCnn) -> None:
    """Seed everything, fix threads and operations, and choose the device."""
    import keras

    if keras.backend.backend() == "tensorflow":
        environment.let_tensorflow_sleep()
    keras.utils.set_random_seed(params.seed)
    gpus = 0
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        devices = tf.config.list_physical_devices("GPU")
        for device in devices:
            tf.config.experimental.set_memory_growth(device, True)
        gpus = len(devices)
    elif keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(params.threads)
        gpus = torch.cuda.device_count()
    else:
        import jax

        gpus = sum(device.platform == "gpu" for device in jax.devices())
    if params.device == "gpu":
        environment.require_gpu("train_cnn", gpus > 0)
    if params.mixed_precision and gpus:
        keras.config.set_dtype_policy("mixed_float16")


def _reporter(live: Any, advance: Any, epochs: int) -> Any:
    import keras

    class Reporter(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
            advance(1)

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            values = logs or {}
            for name, value in values.items():
                live.log_metric(name.replace("val_", "val/"), float(value))
            live.next_step()
            say(
                f"train_cnn: epoch {epoch + 1}/{epochs}: loss {values['loss']:.3f}, "
                f"validation loss {values['val_loss']:.3f}, accuracy {values['val_accuracy']:.3f}"
            )

    return Reporter()
