"""Train a structure detector with Ultralytics' own training, in a folder laid out as it reads one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import STORED, read_page, write_png
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.params.prepare import PrepareOne
from sonotrace.params.train_yolo import TrainYolo
from sonotrace.places import folder
from sonotrace.running import environment
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

    Files are named by number, an image's copies by its number and their page: whatever images are called, no
    file can be written through the link of another. Prepared images are links, since Ultralytics writes caches
    beside images and mends some files in place. Paths in the card are absolute, since Ultralytics resolves
    others against a settings file.
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
    for side, images in sides.items():
        at, labels = work / side / "images", work / side / "labels"
        at.mkdir(parents=True)
        labels.mkdir()
        for number, image in enumerate(images):
            (at / f"{number:07}.png").symlink_to((prepare / "images" / f"{image}.png").resolve())
            (labels / f"{number:07}.txt").write_text(own.get(image, ""))
            for page, copy in enumerate(copies.get(image, ()) if side == "train" else (), 1):
                picture = read_page(augment / "images" / f"{image}.tif", page)
                write_png(picture, at / f"{number:07}_{page:03}.png", STORED)
                (labels / f"{number:07}_{page:03}.txt").write_text(of_copies.get(copy, ""))
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


def train(data_set: str, params: TrainYolo, net: Path, card: Path, images: int, log: Any | None) -> Trained:
    """Run Ultralytics' own training of the net in the file `net`, beside the card.

    With a `log` of epochs it keeps the one that validates best; without, the last one, and nothing is validated.
    """
    work = card.parent
    with native_noise_hidden():
        import torch

        gpus = torch.cuda.device_count()
        if params.device == "gpu":
            environment.require_gpu(f"train_yolo.{data_set}", gpus > 0)
        model = environment.quiet_ultralytics()(net, task="detect")
    device: Any = 0 if gpus and params.device != "cpu" else "cpu"
    batches = params.epochs * -(-images // params.batch)
    validation: dict[str, float] = {}
    with bar("train_yolo", batches) as advance:
        model.add_callback("on_train_batch_end", lambda _: advance(1))
        if log is None:
            model.add_callback("on_fit_epoch_end", lambda trainer: _say_epoch(trainer, params.epochs))
        else:
            model.add_callback("on_fit_epoch_end", lambda trainer: _report(trainer, log, params.epochs, validation))
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
    kept = "last" if log is None else "best"
    return Trained(work / "run" / "weights" / f"{kept}.pt", validation)


def _say_epoch(trainer: Any, epochs: int) -> None:
    if trainer.epoch + 1 <= epochs:
        loss = float(np.sum([float(value) for value in trainer.label_loss_items(trainer.tloss).values()]))
        say(f"train_yolo: epoch {trainer.epoch + 1}/{epochs}: loss {loss:.3f}")


def _report(trainer: Any, log: Any, epochs: int, validation: dict[str, float]) -> None:
    if trainer.epoch + 1 > epochs or trainer.epoch < log.step:
        # Ultralytics calls once more after the last epoch, for the best weights.
        found = {name: round(float(trainer.metrics[f"metrics/{theirs}(B)"]), 4) for name, theirs in _SCORES.items()}
        validation.update(found)
        return
    values = {**trainer.label_loss_items(trainer.tloss, prefix="train"), **trainer.metrics}
    for name, value in values.items():
        log.log_metric(name.replace("(B)", ""), float(value))
    log.next_step()
    map50, map50_95 = trainer.metrics["metrics/mAP50(B)"], trainer.metrics["metrics/mAP50-95(B)"]
    say(f"train_yolo: epoch {trainer.epoch + 1}/{epochs}: validation mAP50 {map50:.3f}, mAP50-95 {map50_95:.3f}")
