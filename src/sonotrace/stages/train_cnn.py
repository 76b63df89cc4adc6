"""train_cnn: train the plane classifier, keep the epoch that validates best, and calibrate it.

Needs `split.csv`, the prepared images and their augmented copies; leaves `models/<data set>.keras`, its
validation scores in `metrics/<data set>_validation.json`, and the loss and accuracy of each epoch in
`plots/train_cnn/<data set>`.
"""

from sonotrace.errors import SonotraceError
from sonotrace.models import training
from sonotrace.models.examples import examples
from sonotrace.params import load
from sonotrace.places import METRICS, PLOTS, folder
from sonotrace.running.outputs import write_json
from sonotrace.running.progress import epoch_log, say
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
    if not train or not val:
        raise SonotraceError(
            f"{data_set}: {len(train)} training and {len(val)} validation images; bring more patients or "
            f"change split.{data_set}.salt"
        )
    training.start(data_set, params)
    from sonotrace.models import judging
    from sonotrace.models.files import write_keras

    say(f"train_cnn: {params.architecture} net, {len(train)} images, {params.epochs} epochs")
    with epoch_log(PLOTS / "train_cnn" / data_set) as log:
        trained = training.trained("train_cnn", data_set, train, names, params, preparation, val=val, log=log)
    write_json(trained.validation, METRICS / f"{data_set}_validation.json")
    judged = judging.fit(data_set, trained.model, train, val, names)
    entry = training.entry(names, params, preparation) | {"judgement": judged.entry()}
    write_keras(trained.model, entry, kind.model(data_set), judged.arrays())
