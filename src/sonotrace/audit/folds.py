"""Name the plane of each image with a classifier that saw nobody of its patient."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.errors import SonotraceError
from sonotrace.images.copies import Original, copy_images, open_cache
from sonotrace.images.packs import Stored, stored_in
from sonotrace.models import training
from sonotrace.models.examples import Example, views_of
from sonotrace.params import Params
from sonotrace.params.augment import AugmentOne
from sonotrace.places import STATE, folder
from sonotrace.running.outputs import scratch
from sonotrace.running.progress import bar, say
from sonotrace.tables import read_table


def folds_of(data_set: str, table: pd.DataFrame, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row, shape (n,), 0 to folds - 1: whole patients, planes in like shares.

    `table` has the columns image, patient and label. Raises SonotraceError where there are fewer
    patients than folds, or where all images of a plane stand in one fold, so that a classifier
    trained on the others could not know it.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    patients, planes = table["patient"].nunique(), table["label"].value_counts()
    split = folder(data_set, "split") / "split.csv"
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


def already_said(
    data_set: str, table: pd.DataFrame, names: tuple[str, ...], params: Params
) -> NDArray[np.float64] | None:
    """Return what the nets of `folds` said of each row, shape (n, len(names)), nobody of whom they had seen.

    None where the parameters ask for no folds of this data set, or they did not see these images with these labels.
    """
    path = folder(data_set, "ensemble") / "predictions.csv"
    if data_set not in params.folds.data_sets or not path.is_file():
        return None
    said = read_table(path).set_index("image")
    known = [name for name in names if name in said]
    if len(known) < len(names) or not set(table["image"]) <= set(said.index):
        return None
    own = said.loc[table["image"]]
    if list(own["label"]) != list(table["label"]):
        return None
    return np.asarray(own[list(names)], np.float64)


def out_of_fold(
    data_set: str, table: pd.DataFrame, names: tuple[str, ...], fold: NDArray[np.int64], params: Params
) -> NDArray[np.float64]:
    """Return the planes' probabilities of each row, shape (n, len(names)), six decimals.

    For each fold the net of train_cnn learns from all other folds, with its parameters and with
    augment's copies of each image; the weights are those of the last epoch, since a validation side
    would be lost to the training. With the same parameters, images and type of CPU they are the same.
    """
    settings = params.train_cnn[data_set]
    training.start(data_set, settings)
    prepared = stored_in(folder(data_set, "prepare") / "images")
    probabilities = np.empty((len(table), len(names)), np.float64)
    with scratch(STATE / "audit") as copied:
        examples = _examples(table, prepared, params.augment[data_set], copied)
        for number in range(int(fold.max()) + 1):
            held_out = np.flatnonzero(fold == number)
            train = [examples[row] for row in np.flatnonzero(fold != number)]
            training.start_anew(settings.seed)
            trained = training.trained(f"fold {number + 1}", data_set, train, names, settings, params.prepare[data_set])
            probabilities[held_out] = training.probabilities(
                trained.model, [examples[row].views[0] for row in held_out]
            )
            named = [names[index] for index in probabilities[held_out].argmax(axis=1)]
            right = np.mean([plane == examples[row].label for plane, row in zip(named, held_out, strict=True)])
            say(
                f"audit-labels: fold {number + 1}/{fold.max() + 1}: trained on {len(train)} images, "
                f"{len(held_out)} named, {right:.1%} as labelled"
            )
    return probabilities.round(6)


def _examples(table: pd.DataFrame, prepared: Stored, params: AugmentOne, copied: Path) -> list[Example]:
    """Write the copies that augment makes, of every image, and return each image with its views.

    Those that augment made before are reused; the others are not noted, since DVC will not keep them.
    """
    hashes = zip(table["image"], table["sha256"], strict=True)
    chosen = [Original(image, sha256, [], np.empty((0, 4))) for image, sha256 in hashes]
    with bar("copies", len(table)) as advance:
        for _ in copy_images(chosen, params, prepared, copied, open_cache(params)):
            advance(1)
    copies = stored_in(copied)
    rows = zip(table["image"], table["label"], strict=True)
    return [Example(views_of(image, prepared, copies, params.copies), label) for image, label in rows]
