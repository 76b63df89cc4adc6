"""Train a plane classifier (Keras), and ask one; the stages that train and `audit-labels` share this code."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonotrace.errors import SonotraceError
from sonotrace.images.packs import Part
from sonotrace.models import checkpoint, examples
from sonotrace.models.checkpoint import Best, Checkpoint, Progress, variables_of
from sonotrace.models.examples import Example, class_weights, stack, training_batches, validation_batches
from sonotrace.models.published import origin
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
    environment.use_deterministic_operations()
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
    last. `log` takes the figures of each epoch (`progress.epoch_log`). A training that was stopped goes on after
    its last whole epoch, and ends as if it had not been stopped. Call `start` first.
    """
    from sonotrace.models import cnn, efficientnet, last_layer, weights

    batch = min(params.batch, len(train))
    per_epoch = len(train) // batch
    steps = per_epoch * params.epochs
    model = cnn.build(f"train_cnn.{data_set}", params, preparation.width, preparation.height, names, steps)
    code = [cnn, efficientnet, last_layer, weights, examples, checkpoint, sys.modules[__name__]]
    key = checkpoint.key_of(code, [train, val], (params, preparation, list(names)))
    kept = checkpoint.Checkpoint(f"{data_set} {what}", key)
    progress = kept.read()
    done = len(progress.history)
    if done:
        say(f"{what}: goes on after epoch {done} of {params.epochs}")
        for variable, value in zip(checkpoint.variables_of(model), progress.state, strict=True):
            variable.assign(value)
        for values in progress.history:
            _note(log, values)
    elif params.weights == "imagenet":
        shown = [example.views[0] for example in train]
        last_layer.fit(model, batches_of(shown), [example.label for example in train], names)
    with bar(what, steps) as advance:
        advance(done * per_epoch)
        model.fit(
            training_batches(train, names, batch, params.seed, first_step=done * per_epoch),
            steps_per_epoch=per_epoch,
            initial_epoch=done,
            epochs=params.epochs,
            validation_data=validation_batches(val, names, params.batch) if val else None,
            class_weight=class_weights([example.label for example in train], names) if params.class_weights else None,
            callbacks=[_reporter(what, log, advance, params.epochs, progress, kept)],
            shuffle=False,
            verbose=0,
        )
    kept.clear()
    best = progress.best
    if not val:
        return Trained(model, {})
    if not best.weights:
        raise SonotraceError(
            f"{what}: the validation loss is not a number in any epoch; lower train_cnn.{data_set}.learning_rate"
        )
    model.set_weights(best.weights)
    say(f"{what}: epoch {best.epoch + 1} validates best, with loss {best.loss:.3f}")
    return Trained(model, {"loss": round(best.loss, 4), "accuracy": round(best.accuracy, 4)})


def entry(names: Sequence[str], params: TrainCnn, preparation: PrepareOne) -> dict[str, Any]:
    """Return what a model's file states: its classes, its preparation, and where its first weights came from."""
    stated: dict[str, Any] = {"planes": list(names), "prepare": preparation.model_dump()}
    begun = origin(params.architecture, params.weights, params.weights_sha256)
    return stated | ({"begun_with": begun} if begun else {})


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
        torch.use_deterministic_algorithms(True, warn_only=True)
        gpus = torch.cuda.device_count()
    else:
        import jax

        gpus = sum(device.platform == "gpu" for device in jax.devices())
    if params.device == "gpu":
        environment.require_gpu(f"train_cnn.{data_set}", gpus > 0)
    if params.mixed_precision and gpus:
        keras.config.set_dtype_policy("mixed_bfloat16")


def start_anew(seed: int) -> None:
    """Make the next net independent of those trained before in this process."""
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)


def batches_of(shown: Sequence[Part]) -> Iterator[NDArray[np.float32]]:
    """Read views, BATCH at once, as arrays of shape (n, height, width, 1), 0 to 255."""
    for at in range(0, len(shown), BATCH):
        yield stack(list(shown[at : at + BATCH]))


def probabilities(model: Any, shown: Sequence[Part], flips: bool = False) -> NDArray[np.float64]:
    """Return what a Keras model says of prepared images, shape (n, classes).

    With `flips`, the mean of what it says of each image and of its mirror image.
    """
    found = []
    with native_noise_hidden():  # TensorFlow warns that each fold's net is a new one
        for images in batches_of(shown):
            said = model.predict_on_batch(images)
            found.append((said + model.predict_on_batch(images[:, :, ::-1])) / 2 if flips else said)
    return np.concatenate(found).astype(np.float64)


def _reporter(what: str, log: Any, advance: Any, epochs: int, progress: Progress, kept: Checkpoint) -> Any:
    import keras

    class Reporter(keras.callbacks.Callback):  # type: ignore[misc]
        """Says and keeps what each epoch gave."""

        async_safe = True
        """Keras need not wait for a step's figures: of a step, only that it ended is told."""

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
            advance(1)

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            values = {name: float(value) for name, value in (logs or {}).items()}
            end = ""
            if "val_loss" in values:
                end = f", validation loss {values['val_loss']:.3f}, accuracy {values['val_accuracy']:.3f}"
                if values["val_loss"] < progress.best.loss:
                    weights = self.model.get_weights()
                    progress.best = Best(values["val_loss"], values["val_accuracy"], epoch, weights)
            progress.history.append(values)
            progress.state = [np.asarray(variable) for variable in variables_of(self.model)]
            kept.write(progress)
            _note(log, values)
            say(f"{what}: epoch {epoch + 1}/{epochs}: loss {values['loss']:.3f}{end}")

    return Reporter()


def _note(log: Any, values: dict[str, float]) -> None:
    if log is None:
        return
    for name, value in values.items():
        log.log_metric(name.replace("val_", "val/"), value)
    log.next_step()
