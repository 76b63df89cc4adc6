"""train_cnn: train the plane classifier, keep the epoch that validates best, and calibrate it.

Needs `split.csv`, the prepared images and their augmented copies; leaves `models/<data set>.keras`, its
validation scores in `metrics/<data set>_validation.json`, and the loss and accuracy of each epoch in
`plots/train_cnn/<data set>`.
"""

from sonotrace.models.examples import examples
from sonotrace.models.whole_training import write_model
from sonotrace.params import load
from sonotrace.places import folder
from sonotrace.tables import read_table


def run(data_set: str) -> None:
    """Train on the train side of `data_set` and write the model with its names and preparation."""
    everything = load()
    params, preparation = everything.train_cnn[data_set], everything.prepare[data_set]
    kind = everything.kind(data_set)
    table = read_table(folder(data_set, "split") / "split.csv")
    copies = read_table(folder(data_set, "augment") / "copies.csv")
    train = examples(data_set, table[table["side"] == "train"], copies)
    val = examples(data_set, table[table["side"] == "val"])
    names = kind.classes(table["label"])
    write_model("train_cnn", data_set, train, val, names, params, preparation, kind.model(data_set))
