"""Both trainings without the workflow, on the images that it has prepared: for engine_overhead.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

from measure import REPOSITORY, timed

from sonotrace.models.yolo import lay_out
from sonotrace.params import load
from sonotrace.places import folder
from sonotrace.running import environment
from sonotrace.tables import read_table

# Left alone, Ultralytics trains on one core fewer than there are.
YOLO = """
import sys
from ultralytics.utils import torch_utils
torch_utils.NUM_THREADS = int(sys.argv.pop(1))
from ultralytics.cfg import entrypoint
entrypoint()
"""


def bare(checkout: Path, work: Path) -> dict[str, float]:
    """Run both trainings without the workflow on the checkout's prepared images; return wall times."""
    before = Path.cwd()
    os.chdir(checkout)
    try:
        environment.isolate()
        params = load()
        lay_out_classes(work / "planes")
        (work / "structures").mkdir()
        split = read_table(folder("structures", "split") / "split.csv")
        train, val = (list(split[split["side"] == side]["image"]) for side in ("train", "val"))
        card, _ = lay_out("structures", train, val, work / "structures", params.prepare["structures"])
    finally:
        os.chdir(before)
    size, cnn, yolo = params.prepare["planes"], params.train_cnn["planes"], params.train_yolo["structures"]
    keras = [REPOSITORY / "benchmarks/bare_keras.py", work / "planes", size.width, size.height]
    arguments = yolo.model_dump(include={"epochs", "imgsz", "batch", "rect", "close_mosaic", "fliplr", "seed"}) | {
        "model": yolo.weights,
        "nbs": yolo.nominal_batch,
        "data": card,
        "mosaic": 0.0 if yolo.rect else yolo.mosaic,
        "patience": yolo.epochs,
        "project": work / "structures",
        "name": "run",
    }
    fixed = ["device=cpu", "workers=0", "deterministic=True", "amp=False", "plots=False", "verbose=False"]
    detect = ["-c", YOLO, yolo.threads, "detect", "train", *(f"{key}={value}" for key, value in arguments.items())]
    return {
        "bare train_cnn@planes": timed(lambda: run([*keras, json.dumps(cnn.model_dump())], cnn.threads, checkout)),
        "bare train_yolo@structures": timed(lambda: run([*detect, *fixed], yolo.threads, checkout)),
    }


def lay_out_classes(work: Path) -> None:
    """Link the prepared planes into one folder a side and class."""
    for row in read_table(folder("planes", "split") / "split.csv").itertuples():
        to = work / row.side / row.label
        to.mkdir(parents=True, exist_ok=True)
        (to / f"{row.image}.png").symlink_to((folder("planes", "prepare") / "images" / f"{row.image}.png").resolve())


def run(arguments: list[object], threads: int, checkout: Path) -> None:
    """Run Python in the checkout, on its code, with the environment that its stages have."""
    environment.use_threads(threads)
    environment.use_device("cpu")
    settings = os.environ | {"PYTHONPATH": str(checkout / "src")}
    command = [sys.executable, *map(str, arguments)]
    subprocess.run(command, cwd=checkout, env=settings, stdout=sys.stderr, check=True)
