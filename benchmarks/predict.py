"""`sonotrace predict` against Keras' and Ultralytics' own predict, and against the command of an older checkout.

Each side is a process of its own, from its start to its last answer, once with one image and once with all. The
first is the cold start; what the other images take beyond it gives images/s. The sides take turns, and as other work
slows a shared machine down but nothing speeds it up, the best of the rounds counts.

    PYTHONPATH=src python benchmarks/predict.py CHECKOUT IMAGES [--old OLDER] [--rounds 3]

CHECKOUT, OLDER: checkouts in which `dvc repro` made the models; OLDER's command has to know `--in-all-planes`.
IMAGES: a folder of PNG images.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from measure import alternate, print_table, timed

from sonotrace.models.files import read_keras_entry
from sonotrace.params import load

KERAS = """
import sys
import cv2
import keras
import numpy as np
model, width, height, *images = sys.argv[1:]
net = keras.models.load_model(model, compile=False)
size = int(width), int(height)
for at in range(0, len(images), 32):
    batch = [cv2.imread(image, cv2.IMREAD_GRAYSCALE) for image in images[at : at + 32]]
    batch = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in batch]
    print(net.predict(np.stack(batch)[..., None].astype(np.float32), verbose=0).argmax(axis=1))
"""
YOLO = """
import sys
from ultralytics import YOLO
model, imgsz, *images = sys.argv[1:]
net = YOLO(model)
for image in images:
    print(len(net.predict(image, imgsz=int(imgsz), verbose=False)[0].boxes))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="predict against the frameworks' own")
    parser.add_argument("checkout", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--old", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    images = sorted(given.images.resolve().rglob("*.png"))
    with tempfile.TemporaryDirectory() as work:
        sides = _sides(given.checkout.resolve(), given.old and given.old.resolve(), Path(work))
        some = {"one": images[:1], "all": images}
        runs = {
            f"{name}, {count}": partial(timed, partial(side, part))
            for name, side in sides.items()
            for count, part in some.items()
        }
        seconds = {name: min(values) for name, values in alternate(runs, given.rounds).items()}
    rows = []
    for name in sides:
        cold, whole = seconds[f"{name}, one"], seconds[f"{name}, all"]
        rows.append((name, f"{cold:.2f}", f"{(len(images) - 1) / (whole - cold):.0f}"))
    cores = len(os.sched_getaffinity(0))
    print_table(
        [f"{len(images)} images, {cores} cores, best of {given.rounds} rounds", "cold start, s", "images/s"], rows
    )


def _sides(checkout: Path, old: Path | None, work: Path) -> dict[str, Callable[[Sequence[Path]], None]]:
    """Return name -> what predicts for images in a process of its own."""
    models = checkout / "models"
    for kind in ("planes", "structures"):
        (work / kind).mkdir()
        (work / kind / f"{kind}.onnx").symlink_to(models / f"{kind}.onnx")
    keras = models / "planes.keras"
    prepare = read_keras_entry(keras.read_bytes(), keras)["prepare"]
    imgsz = load(checkout / "params.yaml").train_yolo["structures"].imgsz
    ours = ("-m", "sonotrace", "predict", "--json", "--allow-unknown", "--in-all-planes")
    sides: dict[str, Callable[[Sequence[Path]], None]] = {
        "predict, planes": partial(_run, [*ours, "--models", work / "planes"], checkout),
        "Keras' own": partial(_run, ["-c", KERAS, keras, prepare["width"], prepare["height"]], checkout),
        "predict, structures": partial(_run, [*ours, "--models", work / "structures"], checkout),
        "Ultralytics' own": partial(_run, ["-c", YOLO, models / "structures.pt", imgsz], checkout),
        "predict, both": partial(_run, list(ours), checkout),
    }
    if old:
        sides["predict before, both"] = partial(_run, list(ours), old)
    return sides


def _run(command: Sequence[object], checkout: Path, images: Sequence[Path]) -> None:
    """Run Python in a checkout, on its code."""
    settings = os.environ | {
        "PYTHONPATH": str(checkout / "src"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
    }
    arguments = [sys.executable, *map(str, command), *map(str, images)]
    subprocess.run(
        arguments, cwd=checkout, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )


if __name__ == "__main__":
    main()
