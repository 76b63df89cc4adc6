"""Compare ways to train the structure detector: `python benchmarks/structure_experiments.py [--folds 1 2] NAME ...`.

Run it in a checkout whose export of structures has gone through `dvc repro augment@structures` with the params that
`sonotrace use structures` sets. NAMEs are keys of TRIALS. Each net learns from all folds of patients but one and is
asked about that one, image and mirror image. Leaves what it finds in `experiments/`; `--table` prints a Markdown table
of all that is there, scored by subject, with differences to the default paired by subject; `--agreement` one of how
much the boxes of labels and nets, and those of two nets, overlap.

Some trials begin with weights that `--begin-on` makes: `phantom` of drawn heads, in `experiments/phantom/train` and
`val` as Ultralytics reads them (`--draw` draws them), `planes` of the images of `data/planes`, by their plane.
"""

import argparse
import json
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from sonotrace.images.grey import read_grey, write_png
from sonotrace.images.packs import stored_in
from sonotrace.images.preparation import Preparation
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.models import yolo, yolo_images
from sonotrace.models.detections import LEAST, OVERLAP
from sonotrace.params import load
from sonotrace.params.evaluate import EvaluateStructures
from sonotrace.patients.folds import with_folds
from sonotrace.running import environment
from sonotrace.scores.localisation import by_structure
from sonotrace.scores.structures import matched, metrics, scores
from sonotrace.tables import FOUND_BOX_COLUMNS, read_table

ANSWERS = Path("experiments")
DATA = Path("data/structures")
HEADS = ANSWERS / "phantom"
DRAWN, SEED = 600, 7
FUSED_AT = 0.55
"""Intersection over union from which boxes of several answers are one (Solovyev et al. 2021)."""
LOST = 0.1
"""Boxes that overlap less are not of the same thing."""
SEEDS = {
    "60 epochs": ("60 epochs", "60 epochs, seed 2", "60 epochs, seed 3"),
    "20 epochs": ("default, 20 epochs", "20 epochs, seed 2"),
}
"""Trials that differ in their seed alone, whose answers are fused."""


@dataclass(frozen=True)
class Trial:
    """One way to train. The default is what `sonotrace use structures` sets."""

    net: str = "v8/yolov8n"
    first: str = ""
    """Weights to begin with: `phantom`, `planes`, or none."""
    imgsz: int = 320
    epochs: int = 20
    mosaic: bool = False
    seed: int = 1
    more: dict[str, Any] = field(default_factory=dict)
    """Further settings of Ultralytics."""


BASE = Trial()
SIXTY = replace(BASE, epochs=60)
TRIALS = {
    "default, 20 epochs": BASE,
    "60 epochs": SIXTY,
    "60 epochs, seed 2": replace(SIXTY, seed=2),
    "60 epochs, seed 3": replace(SIXTY, seed=3),
    "150 epochs": replace(BASE, epochs=150),
    "60 epochs, phantom first": replace(SIXTY, first="phantom"),
    "60 epochs, planes first": replace(SIXTY, first="planes"),
    "60 epochs, 448 px": replace(SIXTY, imgsz=448),
    "60 epochs, 640 px": replace(SIXTY, imgsz=640),
    "60 epochs, mosaic": replace(SIXTY, mosaic=True),
    "60 epochs, moved and zoomed anew each time": replace(
        SIXTY, more={"degrees": 10.0, "translate": 0.1, "scale": 0.3}
    ),
    "60 epochs, neither moved nor zoomed": replace(SIXTY, more={"translate": 0.0, "scale": 0.0}),
    "60 epochs, box and DFL loss doubled": replace(SIXTY, more={"box": 15.0, "dfl": 3.0}),
    "60 epochs, half the box and DFL loss": replace(SIXTY, more={"box": 3.75, "dfl": 0.75}),
    "60 epochs, 16 images a step": replace(SIXTY, more={"batch": 16, "nbs": 16}),
    "60 epochs, YOLO11n": replace(SIXTY, net="11/yolo11n"),
    "60 epochs, YOLO26n": replace(SIXTY, net="26/yolo26n"),
    "60 epochs, YOLOv8s": replace(SIXTY, net="v8/yolov8s"),
    "150 epochs, phantom first, 640 px": replace(BASE, epochs=150, first="phantom", imgsz=640),
    "20 epochs, seed 2": replace(BASE, seed=2),
    "20 epochs, YOLO11n": replace(BASE, net="11/yolo11n"),
    "20 epochs, YOLO26n": replace(BASE, net="26/yolo26n"),
    "20 epochs, 448 px": replace(BASE, imgsz=448),
    "20 epochs, mosaic": replace(BASE, mosaic=True),
    "20 epochs, box and DFL loss doubled": replace(BASE, more={"box": 15.0, "dfl": 3.0}),
    "20 epochs, half the box and DFL loss": replace(BASE, more={"box": 3.75, "dfl": 0.75}),
    "20 epochs, planes first": replace(BASE, first="planes"),
}


def definition(net: str, work: Path) -> Path:
    """Put the definition of a net of Ultralytics into `work` under the name that says its size."""
    import ultralytics

    folder, name = net.split("/")
    family = name.replace("n-cls", "-cls") if name.endswith("-cls") else name[:-1]
    content = (Path(ultralytics.__file__).parent / "cfg/models" / folder / f"{family}.yaml").read_text()
    path = work / f"{name}.yaml"
    path.write_text(content)
    return path


def fit(model: Any, trial: Trial, work: Path, **settings: Any) -> Path:
    """Run Ultralytics' training and return the file of its last epoch."""
    import torch

    given: dict[str, Any] = {"epochs": trial.epochs, "batch": 8, "nbs": 8, "imgsz": trial.imgsz, "seed": trial.seed}
    given |= {"rect": not trial.mosaic, "mosaic": float(trial.mosaic), "deterministic": True, "amp": False}
    given |= {"device": 0 if torch.cuda.is_available() else "cpu", "workers": 0, "cache": "ram", "val": False}
    given |= {"project": str(work), "name": "run", "plots": False, "verbose": False, "patience": 1000}
    model.train(**(given | trial.more | settings))
    return work / "run/weights/last.pt"


def begin_on(what: str) -> None:
    """Make the weights that a trial with `first` set begins with."""
    work = ANSWERS.resolve() / f"{what}-work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    if what == "phantom":
        model = environment.quiet_ultralytics()(definition(BASE.net, work), task="detect")
        names = "".join(f"  {index}: {name}\n" for index, name in enumerate(STRUCTURES))
        card = work / "data.yaml"
        card.write_text(f"path: {HEADS.resolve()}\ntrain: train/images\nval: val/images\nnames:\n{names}")
        made = fit(model, replace(BASE, epochs=15), work, data=str(card))
    else:
        model = environment.quiet_ultralytics()(definition("v8/yolov8n-cls", work), task="classify")
        prepare = Preparation(320, 320, "stretch", mask_overlays=False)
        split = read_table(Path("data/planes/split/split.csv"))
        for at, row in enumerate(split[split["side"] != "test"].itertuples()):
            for side in ("train", *(["val"] if at % 40 == 0 else [])):
                to = work / "images" / side / str(row.label) / f"{at}.png"
                to.parent.mkdir(parents=True, exist_ok=True)
                write_png(prepare.apply(read_grey(Path("data/planes/pull/images") / str(row.file))), to)
        made = fit(model, replace(BASE, epochs=20, more={"rect": False}), work, data=str(work / "images"))
    shutil.copy(made, ANSWERS / f"{what}.pt")


def draw() -> None:
    """Draw the heads, 320 px wide, as the stage `prepare` would make them."""
    from sonotrace.sources.phantom import snapshot

    work = ANSWERS / "phantom-raw"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    params = {"images": DRAWN, "seed": SEED, "copies": 1}
    snapshot("structures", Path("data/phantom/structures"), params, work, environment.threads(), lambda _: None)
    prepare = Preparation(320, 216, "stretch", mask_overlays=False)
    for file in sorted(work.glob("*/images/*")):
        side = HEADS / ("val" if file.parents[1].name == "valid" else "train")
        for part in ("images", "labels"):
            (side / part).mkdir(parents=True, exist_ok=True)
        write_png(prepare.apply(read_grey(file)), side / "images" / f"{file.stem}.png")
        shutil.copy(file.parents[1] / "labels" / f"{file.stem}.txt", side / "labels")
    shutil.rmtree(work)


def run(name: str, folds: list[int]) -> None:
    trial, params = TRIALS[name], load()
    split = read_table(DATA / "split/split.csv")
    table = with_folds("structures", split, params.split["structures"].salt, len(params.folds.numbers))
    for fold in folds:
        start = time.perf_counter()
        work = (ANSWERS / f"{name}, {fold}, work").resolve()
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        own, others = table[table["fold"] == fold], sorted(table[table["fold"] != fold]["image"])
        card, images = yolo.lay_out("structures", others, others[:1], work, params.prepare["structures"])
        model = environment.quiet_ultralytics()(definition(trial.net, work), task="detect")
        yolo_images.adapt()
        if trial.first:
            model.load(str(ANSWERS / f"{trial.first}.pt"))
        made = fit(model, trial, work, data=str(card))
        minutes = (time.perf_counter() - start) / 60
        found = ask(made, own["image"], trial.imgsz, params.prepare["structures"].width)
        found.to_csv(ANSWERS / f"{name}, {fold}.csv", index=False)
        shutil.rmtree(work)
        said = {"name": name, "fold": fold, "learned": images, "asked": len(own), "minutes": round(minutes, 1)}
        (ANSWERS / f"{name}, {fold}.json").write_text(json.dumps(said))
        print(json.dumps(said), flush=True)


def ask(path: Path, images: pd.Series, imgsz: int, width: int) -> pd.DataFrame:
    """Return what a net finds in images and in their mirror images, these boxes mirrored back: column `mirrored`."""
    model = environment.quiet_ultralytics()(path, task="detect")
    rows, prepared = [], stored_in(DATA / "prepare/images")
    for image in images:
        grey = prepared[image].read()
        for mirrored in (False, True):
            shown = cv2.cvtColor(np.ascontiguousarray(grey[:, ::-1]) if mirrored else grey, cv2.COLOR_GRAY2BGR)
            (said,) = model.predict(shown, imgsz=imgsz, conf=LEAST, iou=OVERLAP, rect=True, verbose=False, save=False)
            boxes = said.boxes.cpu().numpy()
            for index, certain, (x0, y0, x1, y1) in zip(boxes.cls, boxes.conf, boxes.xyxy, strict=True):
                at = (width - x1, y0, width - x0, y1) if mirrored else (x0, y0, x1, y1)
                rows.append((image, STRUCTURES[int(index)], certain, *at, mirrored))
    return pd.DataFrame(rows, columns=[*FOUND_BOX_COLUMNS, "mirrored"])


def fused(answers: list[pd.DataFrame]) -> pd.DataFrame:
    """Fuse the boxes of several answers by weighted boxes fusion (Solovyev et al. 2021)."""
    together, rows = pd.concat(answers), []
    for (image, structure), group in together.sort_values("confidence", ascending=False).groupby(
        ["image", "structure"]
    ):
        sums: list[Any] = []  # of one fused box each: weighted corners, confidences
        for values in group[["confidence", "x0", "y0", "x1", "y1"]].to_numpy():
            corners = np.array([total[:4] / total[4] for total in sums]).reshape(-1, 4)
            shared = overlaps(corners, values[1:])
            part = np.append(values[1:] * values[0], values[0])
            if len(shared) and shared.max() > FUSED_AT:
                sums[int(shared.argmax())] += part
            else:
                sums.append(part)
        rows += [(image, structure, total[4] / len(answers), *total[:4] / total[4]) for total in sums]
    return pd.DataFrame(rows, columns=list(FOUND_BOX_COLUMNS))


def overlaps(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the intersection over union of each of `boxes`, shape (n, 4), with `box`."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    inside = np.clip(high - low, 0, None).prod(axis=1)
    whole: np.ndarray = inside / ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - inside)
    return whole


def show(folds: list[int]) -> None:
    """Print the table of all answers, and of fused ones."""
    params = load()
    split = read_table(DATA / "split/split.csv")
    table = with_folds("structures", split, params.split["structures"].salt, len(params.folds.numbers))
    boxes = read_table(DATA / "prepare/boxes.csv")
    answers = {name: answers_of(name, folds) for name in TRIALS}
    rows: dict[str, list[pd.DataFrame]] = {}
    for name, found in answers.items():
        if found is not None:
            rows[name] = [found[~found["mirrored"]]]
            if name == "60 epochs":
                rows[f"{name}, mirror image fused"] = [found[~found["mirrored"]], found[found["mirrored"]]]
    for what, names in SEEDS.items():
        seeds = [found for name, found in answers.items() if found is not None and name in names]
        if len(seeds) > 1:
            both = [found[found["mirrored"] == side] for found in seeds for side in (False, True)]
            rows[f"{what}, {len(seeds)} seeds and their mirror images fused"] = both
    asked = table[table["fold"].isin(folds)].reset_index(drop=True)
    titles = ["what", "mAP50", "mAP50-95", "more mAP50-95 than the default", "recall at one false box", "off by, px"]
    print(f"| {' | '.join([*titles, 'too many', 'minutes'])} |\n|{' --- |' * (len(titles) + 2)}")
    stated = params.evaluate["structures"]
    if not isinstance(stated, EvaluateStructures):
        raise SystemExit("error: data/structures has no boxes")
    reference = None
    for name, parts in rows.items():
        found = fused(parts) if len(parts) > 1 else parts[0].drop(columns="mirrored")
        pairs = matched(found, asked, boxes)
        reference = reference or pairs
        overall = metrics(found, asked, boxes, stated)[1]["overall"]
        prepared = Preparation.from_mapping(params.prepare["structures"].model_dump())
        tight = by_structure(found, asked, boxes, prepared, stated)
        cells = [in_percent(overall[key]) for key in ("map50", "map50_95")]
        cells.append(paired(pairs, reference, asked["patient"]) if pairs is not reference else "")
        distance = tight["distance_px"]["all"]
        cells += [
            in_percent(overall["recall_at_1_false_box"]),
            "-" if distance["value"] is None else f"{distance['value']:.1f}",
        ]
        cells.append(f"{100 * tight['more_than_anatomy']['all']['value']:.1f} %")
        files = [ANSWERS / f"{name}, {fold}.json" for fold in folds]
        minutes = [json.loads(file.read_text())["minutes"] for file in files if file.exists()]
        cells.append(f"{np.mean(minutes):.1f}" if minutes else "")
        print(f"| {' | '.join([name, *cells])} |", flush=True)


def show_agreement(folds: list[int]) -> None:
    """Print the median overlap of labels and nets, and of nets that were trained differently, on unseen images."""
    boxes = read_table(DATA / "prepare/boxes.csv")
    nets = {name: answers_of(name, folds) for name in ("60 epochs", "60 epochs, phantom first")}
    if any(found is None for found in nets.values()):
        raise SystemExit(f"error: train {' and '.join(nets)} first")
    sure = {name: found[(found["confidence"] >= 0.25)] for name, found in nets.items() if found is not None}
    plain, other = (found[~found["mirrored"]] for found in sure.values())
    mirrored = sure["60 epochs"][sure["60 epochs"]["mirrored"]]
    pairs = {
        "a label and the net of 60 epochs": (boxes, plain),
        "a label and the net of 60 epochs, phantom first": (boxes, other),
        "these two nets": (plain, other),
        "the first net on the image and on its mirror image": (plain, mirrored),
    }
    print(f"| median overlap (IoU) of | {' | '.join(STRUCTURES)} |\n|{' --- |' * (len(STRUCTURES) + 1)}")
    for name, (ones, others) in pairs.items():
        cells = [np.median(best_overlaps(ones, others, structure)) for structure in STRUCTURES]
        print(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")


def best_overlaps(ones: pd.DataFrame, others: pd.DataFrame, structure: str) -> list[float]:
    """Return the overlap of each box with the best one of the same image and structure, where there is one at all."""
    found, corners = [], ["x0", "y0", "x1", "y1"]
    there = {
        image: rows[corners].to_numpy() for image, rows in others[others["structure"] == structure].groupby("image")
    }
    for row in ones[ones["structure"] == structure].itertuples():
        if row.image in there:
            best = overlaps(there[row.image], np.array([row.x0, row.y0, row.x1, row.y1])).max()
            found += [float(best)] if best > LOST else []
    return found


def answers_of(name: str, folds: list[int]) -> pd.DataFrame | None:
    files = [ANSWERS / f"{name}, {fold}.csv" for fold in folds]
    if not all(file.exists() for file in files):
        return None
    found = pd.concat([pd.read_csv(file, dtype={"image": str}) for file in files], ignore_index=True)
    found[["x0", "y0", "x1", "y1", "confidence"]] = found[["x0", "y0", "x1", "y1", "confidence"]].round(4)
    return found


def in_percent(one: dict[str, float]) -> str:
    return f"{100 * one['value']:.1f} [{100 * one['low']:.1f}, {100 * one['high']:.1f}]"


def paired(pairs: list[Any], reference: list[Any], patients: pd.Series) -> str:
    """Return the difference of mAP50-95, with its 95 % bootstrap interval over patients, in points."""

    def difference(rows: np.ndarray) -> float:
        both = [scores([side[at] for at in rows], STRUCTURES, 0.25)["map50_95"] for side in (pairs, reference)]
        return 100 * (both[0] - both[1])

    groups = [np.flatnonzero(patients == patient) for patient in sorted(set(patients))]
    random = np.random.default_rng(1)
    draws = [
        difference(np.concatenate([groups[at] for at in random.integers(0, len(groups), len(groups))]))
        for _ in range(200)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{difference(np.arange(len(patients))):+.1f} [{low:+.1f}, {high:+.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*TRIALS, []], metavar="NAME")
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--begin-on", choices=("phantom", "planes"))
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--agreement", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    environment.isolate()
    environment.use_threads(given.threads)
    if given.table or given.agreement:
        (show if given.table else show_agreement)(given.folds)
        return
    ANSWERS.mkdir(exist_ok=True)
    if given.draw:
        draw()
    if given.begin_on:
        begin_on(given.begin_on)
    for name in given.names:
        run(name, given.folds)


if __name__ == "__main__":
    main()
