"""How busy training keeps a GPU: `python benchmarks/gpu.py planes|structures`, in a checkout.

planes, for each backend given with `--backends` (torch and jax): images/s of `train_cnn`'s own training, from its third
epoch on, against the same step on a batch that already lies on the card; in float32 and, with `mixed_precision`, in
bfloat16. EfficientNet-Lite0 as `sonotrace use` sets it, on images of noise. A second training in float32 shows whether
the weights have equal bytes, and by how much they differ otherwise.

structures: images/s of `train_yolo`'s training, from its third epoch on, against Ultralytics' own `YOLO.train` with
what its users leave at its defaults, on the same images of noise with boxes; with and without `mixed_precision`, and
with one and eight loader processes. Two trainings show whether the weights have equal bytes.

Each training is a process of its own, one at a time. Prints Markdown tables.

    PYTHONPATH=src python benchmarks/gpu.py planes [--images 1920] [--epochs 8] [--batch 32] [--backends torch jax]
    PYTHONPATH=src python benchmarks/gpu.py structures [--images 192] [--epochs 8] [--batch 16]
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import print_table, tell

SIDE = 224
WIDTH, HEIGHT = 320, 216
THREADS = 8
SETTLING = 2
"""Epochs that are not counted: libraries compile and try their kernels in them."""


class Clock:
    """Notes when each epoch ends; takes the place of a stage's log of epochs."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def log_metric(self, name: str, value: float) -> None:
        """Take a figure, which nobody needs."""

    def next_step(self) -> None:
        """Note the end of an epoch."""
        self.ends.append(time.perf_counter())

    def images_per_second(self, images: int) -> float:
        """Return the median over epochs of `images` images."""
        return images / statistics.median(np.diff(self.ends[SETTLING - 1 :]))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=("planes", "structures"))
    arguments.add_argument("--images", type=int)
    arguments.add_argument("--epochs", type=int, default=8)
    arguments.add_argument("--batch", type=int)
    arguments.add_argument("--backends", nargs="+", default=["torch", "jax"])
    arguments.add_argument("--child", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    planes = options.what == "planes"
    options.images = options.images or (1920 if planes else 192)
    options.batch = options.batch or (32 if planes else 16)
    if options.child:
        print(">", json.dumps((plane_child if planes else structure_child)(json.loads(options.child), options)))
    elif planes:
        compare_planes(options)
    else:
        compare_structures(options)


def compare_planes(options: argparse.Namespace) -> None:
    rows = []
    for backend, mixed in itertools.product(options.backends, (False, True)):
        setting = {"mixed": mixed, "measure": True}
        with tempfile.TemporaryDirectory() as work:
            first = child(setting | {"weights": f"{work}/1.npz"}, options, backend)
            alike = ""
            if not mixed:
                child(setting | {"weights": f"{work}/2.npz", "measure": False}, options, backend)
                alike = likeness(Path(work) / "1.npz", Path(work) / "2.npz")
        share = f"{first['rate'] / first['on_card']:.2f}"
        rates = (f"{first[name]:.0f}" for name in ("rate", "on_card"))
        rows.append((backend, "bfloat16" if mixed else "float32", *rates, share, alike))
    title = f"Lite0, {SIDE}x{SIDE} px, batches of {options.batch}, {options.images} images"
    print_table([title, "", "images/s", "step on the card, images/s", "ratio", "two trainings"], rows)


def compare_structures(options: argparse.Namespace) -> None:
    rows, reference = [], dict[bool, float]()
    for mixed in (True, False):
        rate = child({"side": "plain", "mixed": mixed, "workers": THREADS}, options)["rate"]
        reference[mixed] = rate
        rows.append(("Ultralytics", precision(mixed), THREADS, f"{rate:.0f}", "1.00", ""))
    for mixed, workers in itertools.product((True, False), (1, THREADS)):
        setting = {"side": "ours", "mixed": mixed, "workers": workers}
        with tempfile.TemporaryDirectory() as work:
            alike = ""
            rate = child(setting | {"weights": f"{work}/1.npz"}, options)["rate"]
            if mixed and workers == THREADS:
                child(setting | {"weights": f"{work}/2.npz"}, options)
                alike = likeness(Path(work) / "1.npz", Path(work) / "2.npz")
        rows.append(("train_yolo", precision(mixed), workers, f"{rate:.0f}", f"{rate / reference[mixed]:.2f}", alike))
    title = f"YOLOv8n, {WIDTH}x{HEIGHT} px, batches of {options.batch}, {options.images} images"
    print_table([title, "", "loader processes", "images/s", "ratio to Ultralytics", "two trainings"], rows)


def precision(mixed: bool) -> str:
    return "mixed" if mixed else "float32"


def child(setting: dict[str, Any], options: argparse.Namespace, backend: str = "torch") -> dict[str, float]:
    """Run one training in a process of its own and return its figures."""
    command = [sys.executable, __file__, *sys.argv[1:], "--child", json.dumps(setting)]
    start = time.perf_counter()
    environ = os.environ | {"KERAS_BACKEND": backend}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"error: {backend} {setting}: {ended.stderr[-2000:]}")
    found: dict[str, float] = json.loads(ended.stdout.rpartition("> ")[2])
    tell(f"{options.what} {backend} {setting}: {found}, {time.perf_counter() - start:.0f} s")
    return found


def likeness(one: Path, other: Path) -> str:
    """Say whether the arrays of two files have equal bytes, or the largest difference between them."""
    with np.load(one) as a, np.load(other) as b:
        pairs = [(a[name], b[name]) for name in a.files]
    if all(x.tobytes() == y.tobytes() for x, y in pairs):
        return "equal bytes"
    return f"up to {max(np.abs(x.astype(float) - y).max() for x, y in pairs):.1g} apart"


def plane_child(setting: dict[str, Any], options: argparse.Namespace) -> dict[str, float]:
    """Train the classifier; with `measure`, also time the same step on a batch on the card."""
    from sonotrace.images.grey import STORED, write_png
    from sonotrace.images.packs import Part
    from sonotrace.kinds.planes import PLANES
    from sonotrace.models import training
    from sonotrace.models.examples import Example
    from sonotrace.params.prepare import PrepareOne
    from sonotrace.params.train_cnn import TrainCnn

    values: dict[str, Any] = {
        "architecture": "efficientnet_lite0",
        "weights": "imagenet",
        "weights_sha256": None,
        "seed": 1,
    }
    values |= {"epochs": options.epochs, "batch": options.batch, "learning_rate": 0.0005, "class_weights": False}
    params = TrainCnn.model_validate(
        values | {"threads": THREADS, "device": "auto", "mixed_precision": setting["mixed"]}
    )
    preparation = PrepareOne(width=SIDE, height=SIDE, aspect="stretch", mask_overlays=False)
    training.start("planes", params)
    with tempfile.TemporaryDirectory() as work:
        random, examples = np.random.default_rng(0), []
        for number in range(options.images):
            path = Path(work) / f"{number}.png"
            write_png(random.integers(0, 256, (SIDE, SIDE), dtype=np.uint8), path, STORED)
            examples.append(Example([Part(path)], PLANES[number % len(PLANES)]))
        clock = Clock()
        model = training.trained("gpu", "planes", examples, PLANES, params, preparation, log=clock).model
    np.savez(setting["weights"], *model.get_weights())
    found = {"rate": clock.images_per_second(options.images // options.batch * options.batch)}
    if setting["measure"]:
        found["on_card"] = on_card(model, options.batch, len(PLANES))
    return found


def on_card(model: Any, batch: int, classes: int, steps: int = 60) -> float:
    """Return images/s of the model's training step on one batch that lies on the device."""
    import keras

    random = np.random.default_rng(1)
    images = keras.ops.convert_to_tensor(random.integers(0, 256, (batch, SIDE, SIDE, 1), dtype=np.uint8))
    answers = keras.ops.convert_to_tensor(np.eye(classes, dtype=np.float32)[random.integers(0, classes, batch)])
    if keras.backend.backend() == "torch":
        import torch

        def work(count: int) -> None:
            for _ in range(count):
                model.train_step((images, answers))
            if torch.cuda.is_available():
                torch.cuda.synchronize()

    else:
        import jax

        held = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
        state = model._get_jax_state(**dict.fromkeys((*held, "purge_model_variables"), True))  # noqa: SLF001
        batches = itertools.repeat((images, answers))

        def work(count: int) -> None:
            nonlocal state
            for _ in range(count):
                _, state = model.train_function(state, batches)
            jax.block_until_ready(state)  # type: ignore[no-untyped-call]

    work(5)
    start = time.perf_counter()
    work(steps)
    return steps * batch / (time.perf_counter() - start)


def structure_child(setting: dict[str, Any], options: argparse.Namespace) -> dict[str, float]:
    """Train the detector, as the stage does or as Ultralytics' users do."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder).resolve()
        card, net = noise_with_boxes(work, options.images), work / "yolov8n.yaml"
        clock = Clock()
        if setting["side"] == "ours":
            path = ours(card, net, setting, options, clock)
        else:
            path = plain(card, net, setting, options, clock)
        import torch

        weights = torch.load(path, map_location="cpu", weights_only=False)["model"].state_dict()
        if "weights" in setting:
            np.savez(setting["weights"], **{name: value.numpy() for name, value in weights.items()})
    return {"rate": clock.images_per_second(options.images)}


def noise_with_boxes(work: Path, images: int) -> Path:
    """Lay out images with one bright rectangle of each structure, as Ultralytics reads them."""
    from sonotrace.images.grey import STORED, write_png
    from sonotrace.kinds.structures import STRUCTURES

    random = np.random.default_rng(0)
    for side, count in (("train", images), ("val", 16)):
        for part in ("images", "labels"):
            (work / side / part).mkdir(parents=True)
        for number in range(count):
            image, lines = random.integers(0, 128, (HEIGHT, WIDTH), dtype=np.uint8), []
            for index in range(len(STRUCTURES)):
                x, y = random.integers(40, WIDTH - 40), random.integers(40, HEIGHT - 40)
                image[y - 20 : y + 20, x - 30 : x + 30] += np.uint8(40 * (index + 1))
                lines.append(f"{index} {x / WIDTH:.6f} {y / HEIGHT:.6f} {60 / WIDTH:.6f} {40 / HEIGHT:.6f}\n")
            write_png(image, work / side / "images" / f"{number:04}.png", STORED)
            (work / side / "labels" / f"{number:04}.txt").write_text("".join(lines))
    names = "".join(f"  {index}: {name}\n" for index, name in enumerate(STRUCTURES))
    card = work / "data.yaml"
    card.write_text(f"path: {work}\ntrain: train/images\nval: val/images\nnames:\n{names}")
    return card


def ours(card: Path, net: Path, setting: dict[str, Any], options: argparse.Namespace, clock: Clock) -> Path:
    from sonotrace.models import yolo
    from sonotrace.models.definitions import net_definition
    from sonotrace.params.train_yolo import TrainYolo
    from sonotrace.running import environment

    values: dict[str, Any] = {
        "epochs": options.epochs,
        "batch": options.batch,
        "nominal_batch": options.batch,
        "seed": 1,
    }
    values |= {"weights": "yolov8n.yaml", "weights_sha256": None, "imgsz": WIDTH, "rect": False}
    values |= {"mosaic": 1.0, "close_mosaic": 0, "fliplr": 0.5, "device": "auto"}
    params = TrainYolo.model_validate(values | {"threads": setting["workers"], "mixed_precision": setting["mixed"]})
    environment.use_threads(params.threads)
    environment.use_device(params.device)
    net = net_definition("train_yolo.structures", params.weights, None, net.parent)
    return yolo.train("gpu", "structures", params, net, card, options.images, clock).checkpoint


def plain(card: Path, net: Path, setting: dict[str, Any], options: argparse.Namespace, clock: Clock) -> Path:
    """Train with Ultralytics' defaults, but without its downloads."""
    from sonotrace.models.definitions import net_definition
    from sonotrace.running import environment

    environment.use_threads(THREADS)
    model = environment.quiet_ultralytics()(net_definition("", "yolov8n.yaml", None, net.parent), task="detect")
    model.add_callback("on_fit_epoch_end", lambda _: clock.next_step())
    fixed = {"imgsz": WIDTH, "batch": options.batch, "epochs": options.epochs, "close_mosaic": 0}
    quiet = {"project": str(card.parent), "name": "run", "plots": False, "verbose": False}
    model.train(data=str(card), workers=setting["workers"], amp=setting["mixed"], **fixed, **quiet)
    return card.parent / "run" / "weights" / "best.pt"


if __name__ == "__main__":
    main()
