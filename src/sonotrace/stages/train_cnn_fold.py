"""train_cnn_fold: train the plane classifier without one fold of patients, and ask it about them.

Needs `split.csv`, the prepared images and their augmented copies; leaves, for fold k and seed s,
`models/folds/<data set>/k-s.keras`, and `predictions.csv` in `data/<data set>/folds/k-s`: what that net says of the
fold and of the test side, nobody of whom it has seen. No epoch is chosen: the fold must not have a say in it.
"""

import pandas as pd

from sonotrace.models import training
from sonotrace.models.examples import examples
from sonotrace.params import load
from sonotrace.patients.folds import with_folds, without
from sonotrace.places import fold_model, fold_predictions, folder
from sonotrace.running.outputs import write_csv
from sonotrace.running.progress import say
from sonotrace.tables import read_table


def run(data_set: str, fold: int, seed: int) -> None:
    """Train on all folds of `data_set` but `fold`, with `seed` instead of the one of `train_cnn`."""
    everything = load()
    params = everything.train_cnn[data_set].model_copy(update={"seed": seed})
    preparation, kind = everything.prepare[data_set], everything.kind(data_set)
    split = read_table(folder(data_set, "split") / "split.csv")
    copies = read_table(folder(data_set, "augment") / "copies.csv")
    salt = everything.split[data_set].salt
    by = everything.folds.by
    table = with_folds(data_set, split, salt, len(everything.folds.numbers), by)
    names = kind.classes(split["label"])
    unseen = pd.concat([table[table["fold"] == fold], split[split["side"] == "test"].assign(fold=0)])
    train = examples(data_set, table[table["fold"] != fold], copies)
    training.start(data_set, params)
    from sonotrace.models.files import write_keras

    what = f"train_cnn_fold: fold {fold}, seed {seed}{without(table[table['fold'] == fold], by)}"
    say(f"{what}: {params.architecture} net, {len(train)} images, {params.epochs} epochs")
    model = training.trained(what, data_set, train, names, params, preparation).model
    shown = [example.views[0] for example in examples(data_set, unseen)]
    said = training.probabilities(model, shown, flips=True).round(6)
    found = unseen[["image", "patient", "label", "side", "fold"]].copy()
    found["predicted"] = [names[index] for index in said.argmax(axis=1)]
    found[list(names)] = said
    held_out = found[found["side"] != "test"]
    say(f"{what}: {(held_out['label'] == held_out['predicted']).mean():.1%} of {len(held_out)} images as labelled")
    write_csv(found, fold_predictions(data_set, fold, seed))
    write_keras(model, training.entry(names, params, preparation), fold_model(data_set, fold, seed))
