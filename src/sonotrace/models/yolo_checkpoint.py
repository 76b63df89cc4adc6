"""Where a training of Ultralytics stands after each epoch, so that a killed one goes on and ends in the same bytes.

Ultralytics' own checkpoints are not enough for that: they hold weights in half precision, and no random state. Ours is
used only by a training of the same images, parameters, code and libraries, and it is read as tensors and plain values,
never as code.

With loader processes, as on a GPU, the images come in another order after a stop, so the bytes differ.
"""

import hashlib
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np

from sonotrace.models.checkpoint_file import CheckpointFile
from sonotrace.running.outputs import building

State = dict[str, Any]


class YoloCheckpoint(CheckpointFile):
    """The file of one training of Ultralytics; `key_of` makes its key."""

    def __init__(self, name: str, key: str) -> None:
        super().__init__(name, key, ".pt")

    def read(self) -> State | None:
        """Return the state of `state_of`; None if there is no whole file of this key."""
        import torch

        try:
            state: State = torch.load(self.path, map_location="cpu", weights_only=True)
            return state if state["key"] == self._key else None
        except Exception:  # noqa: BLE001 - torch raises whatever a file cut short leads to; the training begins anew
            return None

    def write(self, state: State) -> None:
        """Note where the training stands; if that is impossible, say so, since the training is worth more."""
        import torch

        try:
            with building(self.path) as path:
                torch.save(state | {"key": self._key}, path)
        except (OSError, RuntimeError) as error:  # torch raises RuntimeError where a disk is full
            self._cannot_write(str(error).splitlines()[0])


def state_of(trainer: Any, history: list[dict[str, float]]) -> State:
    """Return all that the next epoch depends on; `history` is what each epoch so far logged."""
    import torch

    loader = trainer.train_loader
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - Ultralytics draws from it
    files = {path.name: path.read_bytes() for path in (trainer.last, trainer.best, trainer.csv) if path.is_file()}
    return {
        "epochs": trainer.epoch + 1,
        "history": history,
        "model": trainer.model.state_dict(),
        "ema": trainer.ema.ema.state_dict(),
        "updates": trainer.ema.updates,
        "optimizer": trainer.optimizer.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "best_fitness": _plain(trainer.best_fitness),
        "fitness": _plain(trainer.fitness),
        "stopper": {key: _plain(value) for key, value in vars(trainer.stopper).items()},
        "metrics": {key: _plain(value) for key, value in trainer.metrics.items()},
        "loss_names": list(trainer.loss_names),
        "files": {key: torch.frombuffer(bytearray(file), dtype=torch.uint8) for key, file in files.items()},
        "torch": torch.get_rng_state(),
        "numpy": [kind, torch.from_numpy(np.asarray(keys, np.int64)), *rest],
        "random": list(random.getstate()),
        "loader": loader.generator.get_state(),
        "buffer": list(loader.dataset.buffer),
    }


def restore(trainer: Any, state: State) -> None:
    """Put a trainer that has been set up, and is about to begin, where `state` says that it was."""
    import torch

    trainer.start_epoch = state["epochs"]
    trainer.scheduler.last_epoch = trainer.start_epoch - 1
    trainer.model.load_state_dict(state["model"])
    trainer.ema.ema.load_state_dict(state["ema"])
    trainer.ema.updates = state["updates"]
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.scaler.load_state_dict(state["scaler"])
    trainer.best_fitness, trainer.fitness = state["best_fitness"], state["fitness"]
    vars(trainer.stopper).update(state["stopper"])
    trainer.metrics = dict(state["metrics"])
    trainer.loss_names = tuple(state["loss_names"])
    trainer.wdir.mkdir(parents=True, exist_ok=True)
    places = {path.name: path for path in (trainer.last, trainer.best, trainer.csv)}
    for name, content in state["files"].items():
        places[name].write_bytes(content.numpy().tobytes())
    _restore_loader(trainer, state)
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002 - Ultralytics draws from it
    made_by, internal, following = state["random"]
    random.setstate((made_by, tuple(internal), following))
    torch.set_rng_state(state["torch"])


def _restore_loader(trainer: Any, state: State) -> None:
    """Bring the loader to the end of the last epoch: mosaic closed or not, the same images at hand, the same order."""
    import torch

    loader, arguments = trainer.train_loader, trainer.args
    closing = trainer.epochs - arguments.close_mosaic if arguments.close_mosaic else trainer.epochs
    if trainer.start_epoch > closing:
        # Ultralytics would close it now and draw a number that an undisturbed training drew in an earlier epoch.
        trainer._close_dataloader_mosaic()  # noqa: SLF001 - it has no other name
        close, arguments.close_mosaic = arguments.close_mosaic, 0
        trainer.add_callback("on_train_epoch_start", lambda one: setattr(one.args, "close_mosaic", close))
    dataset = loader.dataset
    dataset.buffer.clear()
    for image in state["buffer"]:
        dataset.load_image(image)
    loader.reset()
    loader.iterator = loader._get_iterator()  # noqa: SLF001 - as the loader itself would
    loader.generator.set_state(state["loader"])
    if len(dataset) % trainer.batch_size == 0 and trainer.start_epoch != closing:
        # At the end of its order, which nobody has asked for yet, torch's RandomSampler draws one more.
        torch.randperm(len(dataset), generator=loader.generator)


def _plain(value: Any) -> Any:
    """Return a number of numpy's as one of Python's: the file holds no other."""
    return value.item() if isinstance(value, np.generic) else value


def key_of(work: Path, net: Path, conditions: object) -> str:
    """Return a hash of the images and labels laid out in `work`, the net, the code, the libraries, and `conditions`."""
    digest = hashlib.sha256(repr(conditions).encode())
    import torch
    import ultralytics

    from sonotrace.models import yolo, yolo_images

    digest.update(repr((ultralytics.__version__, torch.__version__, np.__version__)).encode())
    code = [Path(str(module.__file__)) for module in (yolo, yolo_images, sys.modules[__name__])]
    for file in (*code, net):
        digest.update(file.read_bytes())
    for side in ("train", "val"):
        for path in sorted((work / side).glob("*/*")):
            if path.suffix in (".png", ".txt"):
                digest.update(path.relative_to(work).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
