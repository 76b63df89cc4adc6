"""What a training shows of its images: each prepared image and its augmented copies, batch by batch."""

import math
import os
from collections.abc import Sequence
from functools import lru_cache
from mmap import mmap
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.errors import SonotraceError
from sonotrace.images.packs import Part, Stored, copy_name, stored_in
from sonotrace.places import STATE, folder
from sonotrace.running import environment
from sonotrace.running.parallel import in_order


class Example(NamedTuple):
    """An image to learn from."""

    views: list[Part]
    """What an epoch may show of it: the prepared image, then its augmented copies."""
    label: str
    target: tuple[float, ...] | None = None
    """What to answer: the probability of each class; None for the label alone."""


def examples(data_set: str, images: pd.DataFrame, copies: pd.DataFrame | None = None) -> list[Example]:
    """Return the images of a table with the columns image and label, and with `copies` those as further views."""
    prepared = stored_in(folder(data_set, "prepare") / "images")
    place = folder(data_set, "augment") / "images"
    augmented = Stored(place) if copies is None else stored_in(place)
    numbers = {} if copies is None else copies.groupby("image").size()
    return [
        Example(views_of(str(row.image), prepared, augmented, numbers.get(row.image, 0)), str(row.label))
        for row in images.itertuples()
    ]


def views_of(image: str, prepared: Stored, augmented: Stored, copies: int) -> list[Part]:
    """Return the views of one image, the original first, then the augmented copies."""
    return [prepared[image], *(augmented[copy_name(image, copy)] for copy in range(1, copies + 1))]


def schedule(step: int, images: int, view_count: int, batch: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return which images batch number `step` of a training holds, and which view of each.

    Each epoch visits every image at most once, in an order of its own; an image's views take turns,
    in an order of the image's own, before one comes again. A function of its arguments alone, so
    that prefetching cannot change it.
    """
    epoch, position = divmod(step, images // batch)
    chosen = _order(images, seed, epoch)[position * batch : (position + 1) * batch]
    cycle, turn = divmod(epoch, view_count)
    return chosen, _turns(images, view_count, seed, cycle)[chosen, turn]


@lru_cache(maxsize=2)  # drawing for 100,000 images takes longer than the rest of a batch
def _order(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return _frozen(np.random.default_rng((seed, 0, epoch)).permutation(images))


@lru_cache(maxsize=2)
def _turns(images: int, view_count: int, seed: int, cycle: int) -> NDArray[np.int64]:
    return _frozen(np.random.default_rng((seed, 1, cycle)).random((images, view_count)).argsort(axis=1))


def _frozen(array: NDArray[np.int64]) -> NDArray[np.int64]:
    array.flags.writeable = False
    return array


def class_weights(labels: list[str], names: Sequence[str]) -> dict[int, float]:
    """Return index -> weight, in inverse proportion to how often a plane stands in `labels`.

    Planes that do not occur get weight 0; the weights average 1 over the images.
    """
    counts = [labels.count(plane) for plane in names]
    present = sum(count > 0 for count in counts)
    return {index: len(labels) / (present * count) if count else 0.0 for index, count in enumerate(counts)}


def stack(shown: list[Part]) -> NDArray[np.float32]:
    """Read views as one array, shape (n, height, width, 1), 0 to 255."""
    return np.stack([view.read() for view in shown])[..., None].astype(np.float32)


def decoded(views: Sequence[Part]) -> NDArray[np.uint8]:
    """Decode views once, for all epochs; shape (n, height, width).

    The array is a file without a name below `STATE`, mapped into memory: the kernel keeps as much of it there as
    fits, and it goes with the array, or with the process, however that ends. Raises SonotraceError where
    the disk has no room for it, or a view is not of the size of the first.
    """
    height, width = views[0].read().shape
    STATE.mkdir(exist_ok=True)
    with TemporaryFile(dir=STATE, buffering=0) as file:

        def decode(at: int) -> None:
            image = views[at].read()
            if image.shape != (height, width):
                raise SonotraceError(
                    f"{views[at]} is {image.shape[1]} x {image.shape[0]} px, {views[0]} is {width} x {height}; "
                    "remove the file and run `dvc repro`"
                )
            os.pwrite(file.fileno(), image.data, at * image.size)

        size = len(views) * height * width
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            for _ in in_order(decode, range(len(views)), environment.threads()):
                pass
        except OSError as error:
            raise SonotraceError(
                f"{STATE}: no room for {size / 1e9:.1f} GB of decoded images ({error.strerror}); free some on this "
                "disk, or lower augment.<data set>.copies"
            ) from None
        return np.frombuffer(mmap(file.fileno(), size), np.uint8).reshape(-1, height, width)


def targets(rows: Sequence[Example], names: Sequence[str]) -> NDArray[np.float32]:
    """Return what to answer for each, shape (n, len(names)), in the order of `names`."""
    found = one_hot([row.label for row in rows], names)
    for at, row in enumerate(rows):
        if row.target is not None:
            found[at] = row.target
    return found


def one_hot(labels: list[str], names: Sequence[str]) -> NDArray[np.float32]:
    """Return the planes' indicator rows, shape (n, len(names)), in the order of `names`."""
    return np.eye(len(names), dtype=np.float32)[[names.index(label) for label in labels]]


def training_batches(train: Sequence[Example], names: Sequence[str], batch: int, seed: int, first_step: int = 0) -> Any:
    """Return a Keras data set of all batches from `first_step` on.

    Images have shape (batch, height, width, 1), uint8; planes are one-hot. Every view is decoded now, and never
    again (`decoded`); Keras makes floats of the images, on the device.
    """
    from keras.utils import PyDataset

    counts = np.array([len(example.views) for example in train])
    first, view_count = counts.cumsum() - counts, int(counts.max())
    shown = decoded([view for example in train for view in example.views])
    answers = targets(train, names)

    class TrainingBatches(PyDataset):  # type: ignore[misc]
        """All batches of the training, numbered through from the first epoch to the last."""

        num_batches = None

        def __getitem__(self, step: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
            chosen, turns = schedule(first_step + step, len(train), view_count, batch, seed)
            return shown[first[chosen] + turns % counts[chosen], ..., None], answers[chosen]

    return TrainingBatches()


def validation_batches(val: Sequence[Example], names: Sequence[str], batch: int) -> Any:
    """Return a Keras data set of the prepared images of `val`; shapes, and decoding, as in `training_batches`."""
    from keras.utils import PyDataset

    shown = decoded([example.views[0] for example in val])
    planes = one_hot([example.label for example in val], names)

    class ValidationBatches(PyDataset):  # type: ignore[misc]
        num_batches = math.ceil(len(val) / batch)

        def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
            part = slice(index * batch, (index + 1) * batch)
            return shown[part, ..., None], planes[part]

    return ValidationBatches()
