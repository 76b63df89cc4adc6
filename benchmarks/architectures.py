"""How fast each architecture trains, next to a plain Keras `fit` on the same net with the images in memory.

Both sides train the same net with the same optimizer on the same drawn images of 224x224 px:

- sonotrace: what `train_cnn` does: operations deterministic, idle threads asleep, batches from
  `examples.training_batches`, `cnn.build`;
- plain Keras, the reference: the arrays, as floats, given to `fit`, shuffled, nothing else set but the threads.

Each is a process of its own; the two take turns, a few batches at a time. EfficientNet-Lite comes as train_cnn
begins with ImageNet's weights, batch norm frozen, and lite0 also with batch norm trained.

    PYTHONPATH=src python benchmarks/architectures.py [--batch 32] [--steps 3] [--rounds 3] [--threads 2] [--only NAME]
    PYTHONPATH=src python benchmarks/architectures.py --profile efficientnet_lite0    # where a step's time goes
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import alternate, print_table, ratio, spread, timed

from sonotrace.images.grey import STORED, write_png
from sonotrace.images.packs import Part
from sonotrace.kinds.planes import PLANES
from sonotrace.models.examples import Example, one_hot, stack, training_batches
from sonotrace.params.train_cnn import TrainCnn
from sonotrace.running.parallel import available_cores

SIDE = 224
REFERENCE = "plain Keras"
NETS = {
    "residual": ("residual", "none"),
    "published": ("published", "none"),
    "efficientnet_lite0": ("efficientnet_lite0", "imagenet"),
    "efficientnet_lite0, batch norm trained": ("efficientnet_lite0", "none"),
    "efficientnet_lite2": ("efficientnet_lite2", "imagenet"),
}
"""Name -> architecture and first weights."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--steps", type=int, default=3, help="batches in a turn")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=available_cores())
    arguments.add_argument("--only", nargs="*", choices=NETS, default=NETS, metavar="NAME")
    arguments.add_argument("--profile", choices=NETS, metavar="NAME")
    arguments.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.child:
        side, name = options.child
        child(side, name, options)
    elif options.profile:
        profile(options.profile, options)
    else:
        rows = [row for name in options.only for row in measure(name, options)]
        setting = f"{SIDE}x{SIDE} px, batches of {options.batch}, {options.threads} threads, {options.rounds} rounds"
        print_table([setting, "", "images/s", "ratio to plain Keras"], rows)


def measure(name: str, options: argparse.Namespace) -> list[tuple[str, str, str, str]]:
    """Return the rows of one net; both processes stand ready before the first turn."""
    running = {side: start(side, name) for side in ("sonotrace", REFERENCE)}

    def turn(process: subprocess.Popen[str]) -> float:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
        images: int = options.steps * options.batch
        return images / float(answer(process))

    for process in running.values():
        answer(process)
    rates = alternate({side: partial(turn, process) for side, process in running.items()}, options.rounds)
    for process in running.values():
        process.communicate()
    return [(name, side, spread(values), ratio(values, rates[REFERENCE])) for side, values in rates.items()]


def start(side: str, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, *sys.argv[1:], "--child", side, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> str:
    """Return what a child says next, behind a mark; libraries print too."""
    assert process.stdout
    for line in process.stdout:
        if line.startswith("> "):
            return line[2:]
    raise SystemExit(f"error: a training ended early, with status {process.wait()}; run it with --child to see why")


def child(side: str, name: str, options: argparse.Namespace) -> None:
    """Build the net and warm up, then train one turn for each line that comes in."""
    with tempfile.TemporaryDirectory() as work:
        turn = (ours if side == "sonotrace" else plain)(name, draw(Path(work), options), options)
        turn()
        print("> ready", flush=True)
        for _ in sys.stdin:
            print(">", timed(turn), flush=True)


def draw(top: Path, options: argparse.Namespace) -> list[Example]:
    """Write as many images as a turn takes."""
    random, found = np.random.default_rng(0), []
    for number in range(options.steps * options.batch):
        write_png(random.integers(0, 256, (SIDE, SIDE), dtype=np.uint8), top / f"{number}.png", STORED)
        found.append(Example([Part(top / f"{number}.png")], PLANES[number % len(PLANES)]))
    return found


def ours(name: str, examples: list[Example], options: argparse.Namespace) -> Any:
    """Return what trains one turn as train_cnn does."""
    from sonotrace.models import training

    training.start("planes", params(name, options))
    model = build(name, options)
    batches = training_batches(examples, PLANES, options.batch, seed=1)
    return lambda: model.fit(batches, steps_per_epoch=options.steps, shuffle=False, verbose=0)


def plain(name: str, examples: list[Example], options: argparse.Namespace) -> Any:
    """Return what trains one turn as `fit` does by itself."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    model = build(name, options)
    images = stack([example.views[0] for example in examples])
    planes = one_hot([example.label for example in examples], PLANES)
    return lambda: model.fit(images, planes, batch_size=options.batch, verbose=0)


def params(name: str, options: argparse.Namespace) -> TrainCnn:
    architecture, weights = NETS[name]
    net = {"architecture": architecture, "weights": weights, "weights_sha256": None}
    steps = {"epochs": 1, "batch": options.batch, "learning_rate": 0.001, "class_weights": False, "seed": 1}
    machine = {"threads": options.threads, "device": "cpu", "mixed_precision": False}
    return TrainCnn.model_validate(net | steps | machine)


def build(name: str, options: argparse.Namespace) -> Any:
    from sonotrace.models import cnn

    return cnn.build("train_cnn.planes", params(name, options), SIDE, SIDE, PLANES, steps=1000)


def profile(name: str, options: argparse.Namespace) -> None:
    """Print where the time of a turn goes, by TensorFlow's own profiler: kinds of operation, both threads together."""
    with tempfile.TemporaryDirectory() as work:
        turn = ours(name, draw(Path(work), options), options)
        turn()
        import tensorflow as tf
        from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

        with tf.profiler.experimental.Profile(work):
            turn()
        space = XSpace.FromString(next(Path(work).rglob("*.xplane.pb")).read_bytes())
    spent, calls = Counter[str](), Counter[str]()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            node, _, kind = plane.event_metadata[event.metadata_id].name.rpartition(":")
            if kind.isidentifier() and node and not node.endswith(":"):  # not C++ functions
                name_of = f"batch norm, {kind}" if "norm" in node else kind
                spent[name_of] += event.duration_ps
                calls[name_of] += 1
    whole = sum(spent.values())
    print_table(
        [f"{name}, {options.steps} batches of {options.batch}", "calls a batch", "ms a batch", "share"],
        [
            (kind, calls[kind] // options.steps, f"{time / 1e9 / options.steps:.1f}", f"{time / whole:.1%}")
            for kind, time in spent.most_common(12)
        ],
    )


if __name__ == "__main__":
    main()
