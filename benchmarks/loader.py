"""How fast batches come to a training, with no net behind them: decoded once, decoded each time, and copied.

Images and copies are drawn, 256x256, and stored as `prepare` and `augment` store them. Sides:

- memory: a copy of the same bytes, batch by batch, into one place (`numpy.copyto`), the reference: no loader can
  be faster than the memory;
- the loader: `examples.training_batches` by itself, views in the order of a training, after its images were
  decoded into a mapped file, the cost of which is a table of its own;
- the loader, through Keras: the same as `fit` takes it, a `tf.data.Dataset`, on the CPU;
- decoding per batch: what the loader was before, each view read from its file when its batch is due.

A round is as many batches as show each view about once; decoding per batch shows a tenth.

    PYTHONPATH=src python benchmarks/loader.py [--images 400] [--copies 4] [--batch 32] [--rounds 5]

Run it from a folder on the disk that a training would use: the mapped file lies in `.sonotrace` there.
"""

import argparse
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from measure import alternate, print_table, ratio, spread, tell, timed

from sonotrace.images.grey import STORED, Grey, encode_png
from sonotrace.images.packs import copy_name, pack, pack_name, stored_in
from sonotrace.kinds.planes import PLANES
from sonotrace.models.examples import Example, decoded, one_hot, schedule, stack, training_batches, views_of
from sonotrace.running import environment
from sonotrace.running.parallel import available_cores, in_order

SIDE = 256
REFERENCE = "memory, a copy of the same bytes"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--images", type=int, default=400)
    arguments.add_argument("--copies", type=int, default=4, help="of each image")
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    environment.isolate()
    environment.use_threads(available_cores())
    with tempfile.TemporaryDirectory() as work:
        examples = draw(Path(work), options.images, options.copies)
        views = [view for example in examples for view in example.views]
        once = [len(views) / timed(lambda: decoded(views)) for _ in range(options.rounds)]
        rates = alternate(sides(examples, options.batch), options.rounds)
    setting = f"{len(views)} views of {SIDE}x{SIDE} px, batches of {options.batch}, {available_cores()} cores"
    print_table(
        [f"{setting}, {options.rounds} rounds", "images/s", "ratio to memory"],
        [(name, spread(values, 0), ratio(values, rates[REFERENCE])) for name, values in rates.items()],
    )
    print_table(
        ["once, before the first epoch", "images/s", "s for these views"],
        [("decoding into the mapped file", spread(once, 0), spread([len(views) / rate for rate in once], 2))],
    )


def draw(top: Path, images: int, copies: int) -> list[Example]:
    """Write images like those of ultrasound in their entropy, speckle in a sector, and their copies."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    sector = np.hypot(rows, columns - SIDE / 2) < SIDE
    random = np.random.default_rng(1)

    def write(number: int) -> None:
        speckle = np.random.default_rng(number).rayleigh(40, (copies + 1, SIDE, SIDE)).clip(0, 255)
        first, *others = (speckle * sector).astype(np.uint8)
        for folder, pictures in (("prepared", {f"{number}": first}), ("copies", of_copies(number, others))):
            content = pack([(name, encode_png(picture, STORED)) for name, picture in pictures.items()])
            (top / folder / pack_name(f"{number}", "")).write_bytes(content)

    for folder in ("prepared", "copies"):
        (top / folder).mkdir()
    list(in_order(write, range(images)))
    prepared, augmented = stored_in(top / "prepared"), stored_in(top / "copies")
    labels = random.choice(PLANES, images).tolist()
    return [Example(views_of(str(at), prepared, augmented, copies), label) for at, label in enumerate(labels)]


def of_copies(number: int, pictures: Sequence[Grey]) -> dict[str, Grey]:
    return {copy_name(str(number), copy): picture for copy, picture in enumerate(pictures, 1)}


def sides(examples: list[Example], batch: int) -> dict[str, Callable[[], float]]:
    """Return name -> function that brings batches and returns images/s."""
    views = [view for example in examples for view in example.views]
    steps, view_count = len(views) // batch, len(examples[0].views)
    batches = training_batches(examples, PLANES, batch, seed=1)
    everything, place = decoded(views).reshape(-1, SIDE, SIDE), np.empty((batch, SIDE, SIDE), np.uint8)

    def rate(some: Callable[[], Iterable[object]], steps: int) -> float:
        return steps * batch / timed(lambda: deque(some(), maxlen=0))  # which lets go of each batch

    def read(step: int) -> tuple[np.ndarray, np.ndarray]:
        chosen, turns = schedule(step, len(examples), view_count, batch, seed=1)
        shown = [examples[index].views[turn] for index, turn in zip(chosen, turns, strict=True)]
        return stack(shown), one_hot([examples[index].label for index in chosen], PLANES)

    def copy(step: int) -> None:
        np.copyto(place, everything[step * batch : (step + 1) * batch])

    def keras() -> float:
        fed = iter(as_keras_feeds(batches))
        next(fed)
        return rate(lambda: islice(fed, steps), steps)

    tell("warm-up")
    deque(map(copy, range(steps)), maxlen=0)
    deque(map(batches.__getitem__, range(steps)), maxlen=0)
    few = max(1, steps // 10)
    return {
        REFERENCE: lambda: rate(lambda: map(copy, range(steps)), steps),
        "the loader": lambda: rate(lambda: map(batches.__getitem__, range(steps)), steps),
        "the loader, through Keras": keras,
        "decoding per batch": lambda: rate(lambda: map(read, range(few)), few),
    }


def as_keras_feeds(batches: Any) -> Any:
    """Return what `fit` makes of a PyDataset with TensorFlow."""
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    return PyDatasetAdapter(batches).get_tf_dataset()


if __name__ == "__main__":
    main()
