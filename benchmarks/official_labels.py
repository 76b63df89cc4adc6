"""Score predictions against another label table: `python benchmarks/official_labels.py PREDICTIONS.csv TABLE.csv`.

PREDICTIONS.csv is `data/<data set>/evaluate/predictions.csv` or `data/<data set>/ensemble/predictions.csv`; TABLE.csv
has the columns `Image_name` and `Plane`, and may be separated by semicolons, as FETAL_PLANES_DB's is. Images that the
table does not know are left out and counted. Of the ensemble's table, the images of the test side are left out, and
each fold is calibrated on the labels of the others: those learned from, or, with `--calibrate`, those of the table.
"""

import argparse
from pathlib import Path

import pandas as pd
from measure import print_table, tell

from sonotrace.kinds.planes import plane_of
from sonotrace.models.calibration import calibrated_by_others
from sonotrace.scores.intervals import with_intervals
from sonotrace.scores.planes import scores
from sonotrace.tables import PLANE_PREDICTION_COLUMNS, read_table

SHOWN = ("accuracy", "macro_f1", "roc_auc", "loss", "ece", "brier", "error_at_90_coverage")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--calibrate", action="store_true")
    given = parser.parse_args()
    predictions = read_table(given.predictions)
    table = pd.read_csv(given.table, sep=None, engine="python", dtype=str).rename(columns=str.strip).dropna(how="all")
    official = dict(zip(table["Image_name"].map(lambda name: Path(name).stem), table["Plane"], strict=True))
    in_folds = "fold" in predictions
    if in_folds:
        predictions = predictions[predictions["side"] != "test"]
    known = predictions[predictions["image"].isin(official)].reset_index(drop=True)
    names = [name for name in known.columns if name not in {*PLANE_PREDICTION_COLUMNS, "side", "fold"}]
    truth = known["image"].map(lambda image: names.index(plane_of(official[image]) or "")).to_numpy()
    probabilities = known[names].to_numpy(float)
    if in_folds:
        learned = known["label"].map(names.index).to_numpy()
        folds = known["fold"].to_numpy(str)
        probabilities = calibrated_by_others(probabilities, truth if given.calibrate else learned, folds)
    found = with_intervals(lambda rows: scores(truth[rows], probabilities[rows], names), known["patient"], 1000, 1)
    tell(
        f"{len(known)} images of {known['patient'].nunique()} patients, "
        f"{(truth != known['label'].map(names.index)).sum()} with another label; "
        f"{len(predictions) - len(known)} not in {given.table.name}"
    )
    print_table(["score", "value", "low", "high"], [[name, *(f"{one:.4f}" for one in found[name])] for name in SHOWN])
    if in_folds:
        right = probabilities.argmax(axis=1) == truth
        by_fold = pd.Series(right).groupby(known["fold"])
        print_table(["fold", "accuracy", "n"], [[fold, f"{one.mean():.4f}", len(one)] for fold, one in by_fold])


if __name__ == "__main__":
    main()
