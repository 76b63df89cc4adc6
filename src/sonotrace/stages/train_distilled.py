"""train_distilled: train one plane classifier to answer as those of all folds together do.

Needs `split.csv`, the prepared images, their copies, and what the folds' nets say of patients whom they have not
seen (`train_ensemble`): that is what it learns, instead of the labels, so a wrong label is not learnt by heart.
Leaves `models/<data set>_distilled.keras`, `metrics/<data set>_distilled_validation.json` and the loss and accuracy
of each epoch in `plots/train_distilled/<data set>`.
"""

from sonotrace.models.examples import examples
from sonotrace.models.whole_training import write_model
from sonotrace.params import load
from sonotrace.places import distilled_model, folder
from sonotrace.tables import read_table


def run(data_set: str) -> None:
    """Train on the train side of `data_set`, with the parameters of `train_cnn`."""
    everything = load()
    params, preparation = everything.train_cnn[data_set], everything.prepare[data_set]
    kind = everything.kind(data_set)
    table = read_table(folder(data_set, "split") / "split.csv")
    copies = read_table(folder(data_set, "augment") / "copies.csv")
    names = kind.classes(table["label"])
    told = read_table(folder(data_set, "ensemble") / "predictions.csv").set_index("image")[list(names)].astype(float)
    rows = table[table["side"] == "train"]
    train = [
        example._replace(target=tuple(told.loc[image]))
        for example, image in zip(examples(data_set, rows, copies), rows["image"], strict=True)
    ]
    val = examples(data_set, table[table["side"] == "val"])
    path = distilled_model(data_set)
    write_model("train_distilled", data_set, train, val, names, params, preparation, path)
