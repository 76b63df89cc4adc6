"""Train a structure detector with Ultralytics' own training, in a folder laid out as it reads one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.images.packs import stored_in
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.models import yolo_checkpoint as checkpoint
from sonotrace.models import yolo_images
from sonotrace.params.prepare import PrepareOne
from sonotrace.params.train_yolo import TrainYolo
from sonotrace.places import folder
from sonotrace.running import environment
from sonotrace.running.outputs import write_into
from sonotrace.running.progress import bar, native_noise_hidden, say
from sonotrace.tables import read_table

_SCORES = {"map50": "mAP50", "map50_95": "mAP50-95", "precision": "precision", "recall": "recall"}
"""Our names of scores, and Ultralytics'."""


@dataclass(frozen=True)
class Trained:
    """What a training gives."""

    checkpoint: Path
    """Of the epoch that was kept, in the folder that the training worked in."""
    validation: dict[str, float]
    """Score -> value on the validation images, of that epoch; empty where none was chosen."""


def lay_out(
    data_set: str, train: Sequence[str], val: Sequence[str], work: Path, preparation: PrepareOne
) -> tuple[Path, int]:
    """Lay the images of both sides out as Ultralytics reads them; return the card and the train count.

    Files are named by number, those of copies by the number of their image and their own: whatever images are called,
    no two meet. Paths in the card are absolute, since Ultralytics resolves others against a settings file.
    """
    prepare, augment = folder(data_set, "prepare"), folder(data_set, "augment")
    copies = read_table(augment / "copies.csv").groupby("image")["copy"].apply(list).to_dict()
    sides = {"train": sorted(train), "val": sorted(val)}
    if not train or not val:
        raise SonotraceError(
            f"{data_set}: {len(train)} training and {len(val)} validation images; bring more "
            f"subjects or change split.{data_set}.salt"
        )
    own = label_lines(read_table(prepare / "boxes.csv"), preparation)
    of_copies = label_lines(read_table(augment / "boxes.csv"), preparation)
    prepared, augmented = stored_in(prepare / "images"), stored_in(augment / "images")
    for side, images in sides.items():
        at, labels = work / side / "images", work / side / "labels"
        at.mkdir(parents=True)
        labels.mkdir()
        for number, image in enumerate(images):
            own_copies = copies.get(image, ()) if side == "train" else ()
            parts = [(prepared[image], own.get(image, ""))]
            parts += [(augmented[copy], of_copies.get(copy, "")) for copy in own_copies]
            for copy, (part, text) in enumerate(parts):
                name = f"{number:07}_{copy:03}"
                write_into(at / f"{name}.png", part.content())
                (labels / f"{name}.txt").write_text(text)
    names = "".join(f"  {index}: {name}\n" for index, name in enumerate(STRUCTURES))
    card = work / "data.yaml"
    card.write_text(f"path: {work}\ntrain: train/images\nval: val/images\nnames:\n{names}")
    return card, len(list((work / "train/images").iterdir()))


def label_lines(boxes: pd.DataFrame, preparation: PrepareOne) -> dict[str, str]:
    """Return image -> YOLO label lines, `class cx cy w h` in shares of the prepared image."""
    lines: dict[str, str] = {}
    for row in boxes.itertuples(index=False):
        x, y = (row.x0 + row.x1) / 2 / preparation.width, (row.y0 + row.y1) / 2 / preparation.height
        width, height = (row.x1 - row.x0) / preparation.width, (row.y1 - row.y0) / preparation.height
        line = f"{STRUCTURES.index(row.structure)} {x:.6f} {y:.6f} {width:.6f} {height:.6f}\n"
        lines[row.image] = lines.get(row.image, "") + line
    return lines


def train(what: str, data_set: str, params: TrainYolo, net: Path, card: Path, images: int, log: Any | None) -> Trained:
    """Run Ultralytics' own training of the net in the file `net`, beside the card.

    With a `log` of epochs it keeps the one that validates best; without, the last one, and nothing is validated. A
    training that was stopped goes on after its last whole epoch, if weights are updated after each batch (otherwise
    Ultralytics keeps a count that cannot be restored). On a CPU it ends as if it had not been stopped.
    """
    work = card.parent
    with native_noise_hidden():
        import torch

        gpus = torch.cuda.device_count()
        if params.device == "gpu":
            environment.require_gpu(f"train_yolo.{data_set}", gpus > 0)
        model = environment.quiet_ultralytics()(net, task="detect")
        yolo_images.adapt()
    device: Any = 0 if gpus and params.device != "cpu" else "cpu"
    per_epoch = -(-images // params.batch)
    kept = checkpoint.YoloCheckpoint(f"{data_set} {what}", checkpoint.key_of(work, net, (params, device, log is None)))
    resumes = params.nominal_batch <= params.batch
    state = kept.read() if resumes else None
    history: list[dict[str, float]] = state["history"] if state else []
    if state:
        say(f"{what}: goes on after epoch {len(history)} of {params.epochs}")
        for values in history:
            _note(log, values)
    validation: dict[str, float] = {}

    def begin(trainer: Any) -> None:
        if state:
            checkpoint.restore(trainer, state)

    def end_epoch(trainer: Any) -> None:
        if trainer.epoch + 1 > params.epochs or trainer.epoch < len(history):
            # Ultralytics calls once more after the last epoch, for the best weights.
            if log is not None:
                validation.update(_scores(trainer))
            return
        history.append(_logged(trainer, with_scores=log is not None))
        _note(log, history[-1])
        if resumes and trainer.epoch + 1 < params.epochs:  # after the last one, Ultralytics would train one more
            kept.write(checkpoint.state_of(trainer, history))
        say(f"{what}: epoch {trainer.epoch + 1}/{params.epochs}: {_in_words(history[-1])}")

    with bar(what, params.epochs * per_epoch) as advance:
        advance(len(history) * per_epoch)
        model.add_callback("on_train_batch_end", lambda _: advance(1))
        model.add_callback("on_train_start", begin)
        model.add_callback("on_fit_epoch_end", end_epoch)
        model.train(
            data=str(card),
            epochs=params.epochs,
            batch=params.batch,
            nbs=params.nominal_batch,
            imgsz=params.imgsz,
            rect=params.rect,
            mosaic=0.0 if params.rect else params.mosaic,
            close_mosaic=params.close_mosaic,
            fliplr=params.fliplr,
            seed=params.seed,
            deterministic=True,
            device=device,
            amp=params.mixed_precision,
            workers=0 if device == "cpu" else params.threads,
            val=log is not None,
            patience=params.epochs,
            project=str(work),
            name="run",
            plots=False,
            verbose=False,
        )
    kept.clear()
    name = "last" if log is None else "best"
    return Trained(work / "run" / "weights" / f"{name}.pt", validation)


def _scores(trainer: Any) -> dict[str, float]:
    return {name: round(float(trainer.metrics[f"metrics/{theirs}(B)"]), 4) for name, theirs in _SCORES.items()}


def _logged(trainer: Any, *, with_scores: bool) -> dict[str, float]:
    """Return what is logged of an epoch: its losses and, if it was validated, its scores."""
    values = {**trainer.label_loss_items(trainer.tloss, prefix="train"), **(trainer.metrics if with_scores else {})}
    return {name.replace("(B)", ""): float(value) for name, value in values.items()}


def _note(log: Any | None, values: dict[str, float]) -> None:
    if log is not None:
        for name, value in values.items():
            log.log_metric(name, value)
        log.next_step()


def _in_words(values: dict[str, float]) -> str:
    if "metrics/mAP50" in values:
        return f"validation mAP50 {values['metrics/mAP50']:.3f}, mAP50-95 {values['metrics/mAP50-95']:.3f}"
    return f"loss {sum(value for name, value in values.items() if name.startswith('train/')):.3f}"
