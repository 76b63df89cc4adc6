"""Name the plane of each image with a classifier that saw nobody of its patient."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.errors import SonotraceError
from sonotrace.params import AugmentOne, PrepareOne, TrainCnn
from sonotrace.places import STATE, folder
from sonotrace.running import environment
from sonotrace.running.outputs import scratch
from sonotrace.running.parallel import in_order
from sonotrace.running.progress import bar, native_noise_hidden, say
from sonotrace.stages.augment import Original, copy_image, open_cache
from sonotrace.stages.train_cnn import View, class_weights, set_up, stack, training_batches, views_of

BATCH = 32
"""Images named at once."""


def folds_of(table: pd.DataFrame, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row, shape (n,), 0 to folds - 1: whole patients, planes in like shares.

    `table` has the columns image, patient and label. Raises SonotraceError where there are fewer
    patients than folds, or where all images of a plane stand in one fold, so that a classifier
    trained on the others could not know it.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    patients, planes = table["patient"].nunique(), table["label"].value_counts()
    split = folder("planes", "split") / "split.csv"
    if patients < folds:
        raise SonotraceError(
            f"{split}: {patients} patients, fewer than the {folds} folds; bring more patients or give a smaller --folds"
        )
    if len(planes) < 2:
        raise SonotraceError(f"{split}: only images of {planes.index[0]}; bring images of other planes, to tell apart")
    if planes.max() < folds:  # more than scikit-learn can spread
        raise SonotraceError(
            f"{split}: no plane has the {folds} images that {folds} folds need; bring more or give a smaller --folds"
        )
    spread = table.groupby("label")["patient"].nunique()
    if (spread < 2).any():
        plane = str(spread.index[spread < 2][0])
        raise SonotraceError(
            f"{split}: all images of {plane} are of one patient, so nothing else teaches it; "
            f"bring {plane} images of another patient"
        )
    fold = np.empty(len(table), np.int64)
    parts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(_splits(parts, table)):
        fold[held_out] = number
    together = table.assign(fold=fold).groupby("label")["fold"].nunique()
    if (together < 2).any():
        plane = str(together.index[together < 2][0])
        raise SonotraceError(
            f"{split}: all images of {plane} came into one of {folds} folds; "
            f"bring {plane} images of more patients or give another --folds"
        )
    return fold


def _splits(parts: object, table: pd.DataFrame) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Split without scikit-learn's warning that a plane has fewer patients than there are folds."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return list(parts.split(table["image"], table["label"], table["patient"]))  # type: ignore[attr-defined]


def out_of_fold(
    table: pd.DataFrame,
    names: tuple[str, ...],
    fold: NDArray[np.int64],
    params: TrainCnn,
    preparation: PrepareOne,
    augmentation: AugmentOne,
) -> NDArray[np.float64]:
    """Return the planes' probabilities of each row, shape (n, len(names)), six decimals.

    For each fold the net of train_cnn learns from all other folds, with its parameters and with
    augment's copies of each image; the weights are those of the last epoch, since a validation side
    would be lost to the training. With the same parameters, images and type of CPU they are the same.
    """
    environment.use_threads(params.threads)
    environment.use_device(params.device)
    with native_noise_hidden():
        set_up(params)
    prepared = folder("planes", "prepare") / "images"
    probabilities = np.empty((len(table), len(names)), np.float64)
    with scratch(STATE / "audit") as copied:
        views = _views(table, prepared, augmentation, copied)
        labels = [str(label) for label in table["label"]]
        for number in range(int(fold.max()) + 1):
            held_out = np.flatnonzero(fold == number)
            train = [(views[row], labels[row]) for row in np.flatnonzero(fold != number)]
            probabilities[held_out] = _fold(
                f"fold {number + 1}", train, [views[row][0] for row in held_out], names, params, preparation
            )
            named = [names[index] for index in probabilities[held_out].argmax(axis=1)]
            right = np.mean([plane == labels[row] for plane, row in zip(named, held_out, strict=True)])
            say(
                f"audit-labels: fold {number + 1}/{fold.max() + 1}: {len(train)} images trained, "
                f"{len(held_out)} named, {right:.1%} as labelled"
            )
    return probabilities.round(6)


def _views(table: pd.DataFrame, prepared: Path, params: AugmentOne, copied: Path) -> list[list[View]]:
    """Write the copies that augment makes, of every image, and return each image's views, the original first.

    Those that augment made before are taken over; the others are not noted, since DVC will not keep them.
    """
    cache = open_cache(params)

    def one(row: tuple[str, str]) -> list[View]:
        image, sha256 = row
        if params.copies:
            copy_image(Original(image, sha256, [], np.empty((0, 4))), params, prepared, copied, cache)
        return views_of(image, prepared, copied, params.copies)

    with bar("copies", len(table)) as advance:
        views = []
        for shown in in_order(one, zip(table["image"], table["sha256"], strict=True)):
            views.append(shown)
            advance(1)
    return views


def _fold(
    what: str,
    train: list[tuple[list[View], str]],
    held_out: list[View],
    names: tuple[str, ...],
    params: TrainCnn,
    preparation: PrepareOne,
) -> NDArray[np.float64]:
    """Train on `train` and return the probabilities of `held_out`, shape (n, len(names))."""
    import keras

    from sonotrace.models.cnn import build

    keras.backend.clear_session()
    keras.utils.set_random_seed(params.seed)
    batch = min(params.batch, len(train))
    steps = len(train) // batch * params.epochs
    model = build(params.architecture, preparation.width, preparation.height, len(names), params.learning_rate, steps)
    with bar(what, steps) as advance:
        model.fit(
            training_batches(train, names, batch, params.seed),
            steps_per_epoch=len(train) // batch,
            epochs=params.epochs,
            class_weight=class_weights([label for _, label in train], names) if params.class_weights else None,
            callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: advance(1))],  # noqa: ARG005
            shuffle=False,
            verbose=0,
        )
    with native_noise_hidden():  # TensorFlow warns that each fold's net is a new one
        parts = [model.predict_on_batch(stack(held_out[at : at + BATCH])) for at in range(0, len(held_out), BATCH)]
    return np.concatenate(parts).astype(np.float64)
