"""Train a plane classifier (Keras), and ask one; the stages that train and `audit-labels` share this code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonotrace.models.examples import Example, View, class_weights, stack, training_batches, validation_batches
from sonotrace.params.prepare import PrepareOne
from sonotrace.params.train_cnn import TrainCnn
from sonotrace.running import environment
from sonotrace.running.progress import bar, native_noise_hidden, say

BATCH = 32
"""Images asked about at once."""


@dataclass(frozen=True)
class Trained:
    """What a training gives."""

    model: Any
    """A Keras model."""
    validation: dict[str, float]
    """Score -> value on the validation images, of the epoch that was kept; empty without such images."""


def start(data_set: str, params: TrainCnn) -> None:
    """Import Keras with threads, device, operations and seed fixed, as `params`, `train_cnn.<data set>`, say."""
    environment.use_threads(params.threads)
    environment.use_device(params.device)
    with native_noise_hidden():
        set_up(data_set, params)


def trained(
    what: str,
    data_set: str,
    train: Sequence[Example],
    names: Sequence[str],
    params: TrainCnn,
    preparation: PrepareOne,
    *,
    val: Sequence[Example] = (),
    log: Any = None,
) -> Trained:
    """Train a Keras model on `train`, with the classes `names` in the order of its outputs.

    With `val`, the weights are those of the epoch with the least validation loss, without, those of the
    last. `log` takes the figures of each epoch (`progress.epoch_log`). Call `start` first.
    """
    import keras

    from sonotrace.models.cnn import build

    batch = min(params.batch, len(train))
    per_epoch = len(train) // batch
    steps = per_epoch * params.epochs
    model = build(f"train_cnn.{data_set}", params, preparation.width, preparation.height, names, steps)
    best = keras.callbacks.EarlyStopping("val_loss", mode="min", patience=params.epochs, restore_best_weights=True)
    with bar(what, steps) as advance:
        history = model.fit(
            training_batches(train, names, batch, params.seed),
            steps_per_epoch=per_epoch,
            epochs=params.epochs,
            validation_data=validation_batches(val, names, params.batch) if val else None,
            class_weight=class_weights([example.label for example in train], names) if params.class_weights else None,
            callbacks=[*([best] if val else []), _reporter(what, log, advance, params.epochs)],
            shuffle=False,
            verbose=0,
        )
    if not val:
        return Trained(model, {})
    say(f"{what}: epoch {best.best_epoch + 1} validates best, with loss {best.best:.3f}")
    accuracy = history.history["val_accuracy"][best.best_epoch]
    return Trained(model, {"loss": round(float(best.best), 4), "accuracy": round(float(accuracy), 4)})


def set_up(data_set: str, params: TrainCnn) -> None:
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
        environment.require_gpu(f"train_cnn.{data_set}", gpus > 0)
    if params.mixed_precision and gpus:
        keras.config.set_dtype_policy("mixed_float16")


def start_anew(seed: int) -> None:
    """Make the next net independent of those trained before in this process."""
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)


def probabilities(model: Any, shown: Sequence[View], flips: bool = False) -> NDArray[np.float64]:
    """Return what a Keras model says of prepared images, shape (n, classes).

    With `flips`, the mean of what it says of each image and of its mirror image.
    """
    found = []
    with native_noise_hidden():  # TensorFlow warns that each fold's net is a new one
        for at in range(0, len(shown), BATCH):
            images = stack(list(shown[at : at + BATCH]))
            said = model.predict_on_batch(images)
            found.append((said + model.predict_on_batch(images[:, :, ::-1])) / 2 if flips else said)
    return np.concatenate(found).astype(np.float64)


def _reporter(what: str, log: Any, advance: Any, epochs: int) -> Any:
    import keras

    class Reporter(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
            advance(1)

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            values = logs or {}
            if log is not None:
                for name, value in values.items():
                    log.log_metric(name.replace("val_", "val/"), float(value))
                log.next_step()
            end = ""
            if "val_loss" in values:
                end = f", validation loss {values['val_loss']:.3f}, accuracy {values['val_accuracy']:.3f}"
            say(f"{what}: epoch {epoch + 1}/{epochs}: loss {values['loss']:.3f}{end}")

    return Reporter()
