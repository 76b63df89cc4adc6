"""How fast the published net trains on what the project's loader brings, against other loaders.

One net (`cnn.net("published", 256, 256, ...)`) in one process takes the same training images in
the same batches from

- the project: `models.examples`' batches of prepared PNGs, without and with augmented copies, decoded
  before the first epoch (`benchmarks/loader.py` says at what cost). The project pays for decoding and
  resizing the originals once, in `prepare`, however many epochs follow; a column of its own says how much;
- Keras, the reference, as the published project does: `image_dataset_from_directory` on the
  originals in class folders, greyscale, 256x256, no cache and no prefetch beyond Keras' own;
- Pillow: a plain generator that opens, resizes (bilinear) and stacks the originals;
- memory: prepared images as one array, the fastest that any loader can be with this net.

A round is one epoch on each side; a first epoch of each is not counted.

    PYTHONPATH=src python benchmarks/train_loader.py PLANES_DIR [--images 320] [--batch 32] [--rounds 5]

PLANES_DIR: data/planes of a checkout after `dvc repro augment@planes`.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measure import alternate, print_table, ratio, spread, tell, timed
from PIL import Image

from sonotrace.images.packs import stored_in
from sonotrace.images.preparation import Preparation
from sonotrace.images.prepared import Accepted, open_cache, prepare_images
from sonotrace.kinds.planes import PLANES
from sonotrace.models.examples import Example, one_hot, stack, training_batches, views_of
from sonotrace.running import environment
from sonotrace.running.parallel import available_cores
from sonotrace.tables import read_table

SIDE = 256
REFERENCE = "Keras, image_dataset_from_directory on originals"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("planes", type=Path, metavar="PLANES_DIR")
    arguments.add_argument("--images", type=int, default=320, help="training images in an epoch, whole batches of them")
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=available_cores())
    options = arguments.parse_args()
    environment.isolate()
    environment.use_threads(options.threads)
    train = read_table(options.planes / "split/split.csv").query("side == 'train'")[: options.images]
    train = train[: len(train) // options.batch * options.batch]
    tell(f"{len(train)} images, batches of {options.batch}, {options.threads} threads")
    with tempfile.TemporaryDirectory() as work:
        originals, prepared = options.planes / "pull/images", options.planes / "prepare/images"
        once = prepare_cost(train, originals, Path(work) / "prepared")
        epochs = loaders(train, originals, prepared, Path(work) / "classes", options.batch)
        rates = measure(epochs, len(train), options.batch, options.rounds)
    setting = f"{len(train)} images an epoch, {options.threads} threads, {options.rounds} rounds"
    print_table(
        [setting, "training images/s", "ratio to Keras", "once before, ms an image"],
        [
            (name, spread(values), ratio(values, rates[REFERENCE]), f"{once:.1f}" if "prepared" in name else 0)
            for name, values in rates.items()
        ],
    )


def prepare_cost(train: pd.DataFrame, originals: Path, target: Path) -> float:
    """Return the ms an image that prepare takes, on all cores."""
    target.mkdir()
    files = [originals / file for file in train["file"]]
    images = [Accepted(*row) for row in zip(train["image"], files, train["sha256"], train["patient"], strict=True)]
    preparation = Preparation(SIDE, SIDE, "stretch", mask_overlays=False)
    cache = open_cache(preparation, target)  # no DVC repository, so nothing is taken over
    return 1000 * timed(lambda: list(prepare_images(preparation, images, target, cache))) / len(images)


def loaders(train: pd.DataFrame, originals: Path, prepared: Path, classes: Path, batch: int) -> dict[str, Any]:
    """Return name -> function that gives what `fit` takes an epoch from."""
    from keras.utils import image_dataset_from_directory

    parts = stored_in(prepared)
    labels = list(train["label"])
    for plane in PLANES:
        (classes / plane).mkdir(parents=True)
    for row in train.itertuples():
        link(originals / row.file, classes / row.label / f"{row.image}{Path(row.file).suffix}")
    folders = image_dataset_from_directory(
        classes,
        class_names=list(PLANES),
        label_mode="categorical",
        color_mode="grayscale",
        image_size=(SIDE, SIDE),
        batch_size=batch,
        seed=1,
        verbose=False,
    )
    arrays = stack([parts[image] for image in train["image"]]), one_hot(labels, PLANES)
    first = [Example([parts[image]], label) for image, label in zip(train["image"], labels, strict=True)]
    augmented = prepared.parents[1] / "augment"
    changed = stored_in(augmented / "images")
    copies = read_table(augmented / "copies.csv").groupby("image").size()
    with_copies = [
        Example(views_of(image, parts, changed, copies[image]), label)
        for image, label in zip(train["image"], labels, strict=True)
    ]
    prepared_only, and_copies = (training_batches(shown, PLANES, batch, seed=1) for shown in (first, with_copies))
    return {
        "sonotrace, prepared PNGs": lambda: prepared_only,
        "sonotrace, prepared PNGs and copies": lambda: and_copies,
        REFERENCE: lambda: folders,
        "Pillow generator on originals": lambda: pillow([originals / file for file in train["file"]], labels, batch),
        "memory, prepared images": lambda: in_memory(*arrays, batch),
    }


def link(file: Path, to: Path) -> None:
    try:
        os.link(file.resolve(), to)
    except OSError:  # another disk
        shutil.copy(file, to)


def pillow(files: list[Path], labels: list[str], batch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    order = np.random.default_rng(1).permutation(len(files))
    for start in range(0, len(files), batch):
        chosen, images = order[start : start + batch], []
        for index in chosen:
            with Image.open(files[index]) as image:
                images.append(np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)))
        yield np.stack(images)[..., None].astype(np.float32), one_hot([labels[index] for index in chosen], PLANES)


def in_memory(images: np.ndarray, planes: np.ndarray, batch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(images), batch):
        yield images[start : start + batch], planes[start : start + batch]


def measure(epochs: dict[str, Callable[[], Any]], images: int, batch: int, rounds: int) -> dict[str, list[float]]:
    """Train an epoch on each side in turns; return images/s."""
    from sonotrace.models.cnn import compiled, net

    model = compiled(net("published", SIDE, SIDE, len(PLANES)), learning_rate=1e-3, steps=images // batch)

    def rate(name: str) -> float:
        data = epochs[name]()
        return images / timed(lambda: model.fit(data, steps_per_epoch=images // batch, verbose=0, shuffle=False))

    for name in epochs:
        tell(f"warm-up: {name}: {rate(name):.1f}")
    return alternate({name: partial(rate, name) for name in epochs}, rounds)


if __name__ == "__main__":
    main()
