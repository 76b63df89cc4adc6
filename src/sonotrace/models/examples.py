"""What a training shows of its images: each prepared image and its augmented copies, batch by batch."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.images.grey import Grey, read_grey, read_page
from sonotrace.places import folder


class View(NamedTuple):
    """What an epoch may show of an image: the prepared image or, by its page, an augmented copy."""

    file: Path
    page: int = 0

    def read(self) -> Grey:
        """Read it, shape (height, width)."""
        return read_page(self.file, self.page) if self.page else read_grey(self.file)


class Example(NamedTuple):
    """An image to learn from."""

    views: list[View]
    """What may be shown of it, the prepared image first."""
    label: str
    target: tuple[float, ...] | None = None
    """What to answer: the probability of each class; None for the label alone."""


def examples(data_set: str, images: pd.DataFrame, copies: pd.DataFrame | None = None) -> list[Example]:
    """Return the images of a table with the columns image and label, and with `copies` those as further views."""
    prepared, augmented = folder(data_set, "prepare") / "images", folder(data_set, "augment") / "images"
    numbers = {} if copies is None else copies.groupby("image").size()
    return [
        Example(views_of(str(row.image), prepared, augmented, numbers.get(row.image, 0)), str(row.label))
        for row in images.itertuples()
    ]


def views_of(image: str, prepared: Path, augmented: Path, copies: int) -> list[View]:
    """Return the views of one image, the original first."""
    of_copies = (View(augmented / f"{image}.tif", page) for page in range(1, copies + 1))
    return [View(prepared / f"{image}.png"), *of_copies]


def schedule(step: int, images: int, view_count: int, batch: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return which images batch number `step` of a training holds, and which view of each.

    Each epoch visits every image at most once, in an order of its own; an image's views take turns,
    in an order of the image's own, before one comes again. A function of its arguments alone, so
    that prefetching cannot change it.
    """
    epoch, position = divmod(step, images // batch)
    order = np.random.default_rng((seed, 0, epoch)).permutation(images)
    chosen = order[position * batch : (position + 1) * batch]
    cycle, turn = divmod(epoch, view_count)
    turns = np.random.default_rng((seed, 1, cycle)).random((images, view_count)).argsort(axis=1)
    return chosen, turns[chosen, turn]


def class_weights(labels: list[str], names: Sequence[str]) -> dict[int, float]:
    """Return index -> weight, in inverse proportion to how often a plane stands in `labels`.

    Planes that do not occur get weight 0; the weights average 1 over the images.
    """
    counts = [labels.count(plane) for plane in names]
    present = sum(count > 0 for count in counts)
    return {index: len(labels) / (present * count) if count else 0.0 for index, count in enumerate(counts)}


def stack(shown: list[View]) -> NDArray[np.float32]:
    """Read views as one array, shape (n, height, width, 1), 0 to 255."""
    return np.stack([view.read() for view in shown])[..., None].astype(np.float32)


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
    """Return a Keras data set of all batches from `first_step` on; images (batch, height, width, 1), planes one-hot."""
    from keras.utils import PyDataset

    view_count = max(len(example.views) for example in train)

    class TrainingBatches(PyDataset):  # type: ignore[misc]
        """All batches of the training, numbered through from the first epoch to the last."""

        num_batches = None

        def __getitem__(self, step: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            chosen, turns = schedule(first_step + step, len(train), view_count, batch, seed)
            rows = [train[index] for index in chosen]
            shown = [row.views[turn % len(row.views)] for row, turn in zip(rows, turns, strict=True)]
            return stack(shown), targets(rows, names)

    return TrainingBatches()


def validation_batches(val: Sequence[Example], names: Sequence[str], batch: int) -> Any:
    """Return a Keras data set of the prepared images of `val`; shapes as in `training_batches`."""
    from keras.utils import PyDataset

    class ValidationBatches(PyDataset):  # type: ignore[misc]
        num_batches = math.ceil(len(val) / batch)

        def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            part = val[index * batch : (index + 1) * batch]
            return stack([example.views[0] for example in part]), one_hot([example.label for example in part], names)

    return ValidationBatches()
