"""train_yolo: train the structure detector, and keep the epoch that validates best.

Needs `split.csv` and the prepared images and boxes with their augmented copies; leaves
`models/structures.pt`, its validation scores in `metrics/structures_validation.json`, and the losses
and scores of each epoch in `plots/train_yolo`.
"""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import STORED, read_page, write_png
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.params import PrepareOne, TrainYolo, load
from sonotrace.places import METRICS, MODELS, PLOTS, folder
from sonotrace.running import environment
from sonotrace.running.outputs import scratch, write_json
from sonotrace.running.progress import bar, epoch_log, native_noise_hidden, say
from sonotrace.tables import read_table

_SCORES = {"map50": "mAP50", "map50_95": "mAP50-95", "precision": "precision", "recall": "recall"}
"""Our names of scores, and Ultralytics'."""


def run() -> None:
    """Train on the train side of structures and write the model with its names and preparation."""
    everything = load()
    params, preparation = everything.train_yolo, everything.prepare.structures
    environment.use_threads(params.threads)
    environment.use_device(params.device)
    _check_weights(params)
    table = read_table(folder("structures", "split") / "split.csv")
    with scratch(folder("structures", "train_yolo")) as work:
        card, images = lay_out(table, work.resolve(), preparation)
        from_scratch = "from scratch" if params.weights.endswith(".yaml") else "from local weights"
        say(f"train_yolo: {params.weights} {from_scratch}, {images} images, {params.epochs} epochs")
        trained = _train(params, card, work.resolve(), images)
        from sonotrace.models.files import write_yolo

        write_yolo(trained, {"prepare": preparation.model_dump(), "imgsz": params.imgsz}, MODELS["structures"])


def _check_weights(params: TrainYolo) -> None:
    if params.weights_sha256 is None:
        if params.weights != "yolov8n.yaml":
            raise SonotraceError(
                f"params.yaml: train_yolo.weights is {params.weights!r}: yolov8n.yaml, or a local .pt file "
                "with its train_yolo.weights_sha256, is allowed"
            )
        return
    path = Path(params.weights)
    if not path.is_file():
        raise SonotraceError(f"params.yaml: train_yolo.weights: no file {path}; put it there, nothing is downloaded")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != params.weights_sha256:
        raise SonotraceError(
            f"{path}: sha256 is {found}, not train_yolo.weights_sha256 {params.weights_sha256}; "
            "get the right file, or take this one over by its sha256"
        )


def lay_out(table: pd.DataFrame, work: Path, preparation: PrepareOne) -> tuple[Path, int]:
    """Lay the train and val sides out as Ultralytics reads them; return the card and the train count.

    Images are links, since Ultralytics writes caches beside them and mends some files in place;
    copies of training images stand in `train` too, each a file. Paths in the card are absolute,
    since Ultralytics resolves others against a settings file.
    """
    prepare, augment = folder("structures", "prepare"), folder("structures", "augment")
    copies = read_table(augment / "copies.csv")
    train, val = table[table["side"] == "train"]["image"], table[table["side"] == "val"]["image"]
    if train.empty or val.empty:
        raise SonotraceError(
            f"structures: {len(train)} training and {len(val)} validation images; bring more subjects or "
            "change split.structures.salt"
        )
    lines = label_lines(pd.concat([read_table(prepare / "boxes.csv"), read_table(augment / "boxes.csv")]), preparation)
    for side, images in (("train", train), ("val", val)):
        for kind in ("images", "labels"):
            (work / side / kind).mkdir(parents=True)
        for image in images:
            (work / side / "images" / f"{image}.png").symlink_to((prepare / "images" / f"{image}.png").resolve())
            (work / side / "labels" / f"{image}.txt").write_text(lines.get(image, ""))
    for image, rows in copies[copies["image"].isin(train)].groupby("image"):
        for page, copy in enumerate(rows["copy"], 1):
            write_png(read_page(augment / "images" / f"{image}.tif", page), work / f"train/images/{copy}.png", STORED)
            (work / f"train/labels/{copy}.txt").write_text(lines.get(copy, ""))
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


def _train(params: TrainYolo, card: Path, work: Path, images: int) -> Path:
    """Run Ultralytics' own training inside `work`; return the best epoch's checkpoint."""
    with native_noise_hidden():
        import torch

        gpus = torch.cuda.device_count()
        if params.device == "gpu":
            environment.require_gpu("train_yolo", gpus > 0)
        model = environment.quiet_ultralytics()(params.weights, task="detect")
    device: Any = 0 if gpus and params.device != "cpu" else "cpu"
    batches = params.epochs * -(-images // params.batch)
    with bar("train_yolo", batches) as advance, epoch_log(PLOTS / "train_yolo") as live:
        model.add_callback("on_train_batch_end", lambda _: advance(1))
        model.add_callback("on_fit_epoch_end", lambda trainer: _report(trainer, live, params.epochs))
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
            patience=params.epochs,
            project=str(work),
            name="run",
            plots=False,
            verbose=False,
        )
    return work / "run" / "weights" / "best.pt"


def _report(trainer: Any, live: Any, epochs: int) -> None:
    if trainer.epoch + 1 > epochs or trainer.epoch < live.step:
        # Ultralytics calls once more after the last epoch, for the best weights.
        scores = {name: round(float(trainer.metrics[f"metrics/{theirs}(B)"]), 4) for name, theirs in _SCORES.items()}
        write_json(scores, METRICS / "structures_validation.json")
        return
    values = {**trainer.label_loss_items(trainer.tloss, prefix="train"), **trainer.metrics}
    for name, value in values.items():
        live.log_metric(name.replace("(B)", ""), float(value))
    live.next_step()
    map50, map50_95 = trainer.metrics["metrics/mAP50(B)"], trainer.metrics["metrics/mAP50-95(B)"]
    say(f"train_yolo: epoch {trainer.epoch + 1}/{epochs}: validation mAP50 {map50:.3f}, mAP50-95 {map50_95:.3f}")
