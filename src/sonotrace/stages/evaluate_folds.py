"""evaluate_folds: measure a detector on all patients, each by the net of the fold that has not seen them.

Needs the models and predictions of `train_yolo_fold`; leaves `predictions.csv` in `data/<data set>/evaluate_folds`: the
boxes of all folds; `metrics/<data set>_folds.json` (scores over all folds together, the spread of folds and of seeds),
`metrics/<data set>_folds_detail.json` (with intervals, and per class) and `metrics/<data set>_folds_localisation.json`.
"""

import pandas as pd

from sonotrace.images.preparation import Preparation
from sonotrace.params import load
from sonotrace.params.evaluate import EvaluateStructures
from sonotrace.patients.folds import with_folds
from sonotrace.places import METRICS, fold_predictions, folder
from sonotrace.running import environment
from sonotrace.running.leftovers import clear_others
from sonotrace.running.outputs import write_csv, write_json
from sonotrace.running.progress import say
from sonotrace.scores.localisation import by_structure, in_words
from sonotrace.scores.structures import of_lowest_seed, over_folds
from sonotrace.tables import read_table


def run(data_set: str) -> None:
    """Bring the folds of `data_set` together."""
    everything = load()
    folds, params = everything.folds, everything.evaluate[data_set]
    assert isinstance(params, EvaluateStructures)
    clear_others(data_set, folds.runs, everything.kind(data_set).model_ending)
    environment.use_threads(params.threads)
    split = read_table(folder(data_set, "split") / "split.csv")
    unseen = with_folds(data_set, split, everything.split[data_set].salt, len(folds.numbers), folds.by)
    boxes = read_table(folder(data_set, "prepare") / "boxes.csv")
    tables = [read_table(fold_predictions(data_set, *run)).assign(fold=run[0], seed=run[1]) for run in folds.runs]
    found = pd.concat(tables, ignore_index=True).sort_values(["image", "seed"], kind="stable", ignore_index=True)
    write_csv(found, folder(data_set, "evaluate_folds") / "predictions.csv")
    headline, detail = over_folds(found, unseen, boxes, params)
    write_json(headline, METRICS / f"{data_set}_folds.json")
    write_json(detail, METRICS / f"{data_set}_folds_detail.json")
    preparation = Preparation.from_mapping(everything.prepare[data_set].model_dump())
    tight = by_structure(of_lowest_seed(found), unseen, boxes, preparation, params)
    write_json(tight, METRICS / f"{data_set}_folds_localisation.json")
    scores = detail["overall"]
    said = ", ".join(
        f"{name} {scores[key]['value']:.3f} [{scores[key]['low']:.3f}, {scores[key]['high']:.3f}]"
        for name, key in (("mAP50", "map50"), ("mAP50-95", "map50_95"))
    )
    say(
        f"evaluate_folds: out of fold, {said} on {len(unseen)} images of {unseen['patient'].nunique()} patients; "
        f"{in_words(tight)}"
    )
