"""train_ensemble: make one model of those of all folds, and measure them on the patients they have not seen.

Needs the models and predictions of `train_cnn_fold`; leaves `models/<data set>_ensemble.keras`, whose answer is the
mean of theirs; `predictions.csv` in `data/<data set>/ensemble`: of each image what those say that have not seen its
patient, for the test side all; and `metrics/<data set>_folds.json` (scores over all folds together, the spread
of folds and of seeds) with `metrics/<data set>_folds_detail.json` (with intervals, and per class).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.models.calibration import calibrated_by_others, fit_temperature
from sonotrace.models.judgement import Judgement
from sonotrace.params import load
from sonotrace.params.folds import Folds
from sonotrace.places import METRICS, ensemble_model, fold_model, fold_predictions, folder
from sonotrace.running import environment
from sonotrace.running.leftovers import clear_others
from sonotrace.running.outputs import write_csv, write_json
from sonotrace.running.progress import native_noise_hidden, say
from sonotrace.scores.planes import metrics
from sonotrace.tables import read_table


def run(data_set: str) -> None:
    """Bring the folds of `data_set` together."""
    everything = load()
    folds, kind = everything.folds, everything.kind(data_set)
    clear_others(data_set, folds.runs, kind.model_ending)
    names = kind.classes(read_table(folder(data_set, "split") / "split.csv")["label"])
    tables = {run: read_table(fold_predictions(data_set, *run)) for run in folds.runs}
    found = together(tables, names)
    write_csv(found, folder(data_set, "ensemble") / "predictions.csv")
    unseen = found[found["side"] != "test"].reset_index(drop=True)
    truth, probabilities = _truth(unseen, names), unseen[list(names)].to_numpy(np.float64)
    said = unseen[["image", "patient", "label", "predicted", *names]].copy()
    said[list(names)] = calibrated_by_others(probabilities, truth, unseen["fold"].to_numpy(str)).round(6)
    headline, detail = metrics(said, unseen, pd.DataFrame(), everything.evaluate[data_set])
    spread = _spread(tables, names)
    write_json(headline | spread, METRICS / f"{data_set}_folds.json")
    write_json(detail | spread, METRICS / f"{data_set}_folds_detail.json")
    low, high = (detail["overall"]["accuracy"][end] for end in ("low", "high"))
    say(
        f"train_ensemble: out of fold, accuracy {headline['accuracy']:.3f} [{low:.3f}, {high:.3f}] "
        f"on {len(unseen)} images of {unseen['patient'].nunique()} patients"
    )
    environment.use_threads(everything.train_cnn[data_set].threads)
    environment.use_device("cpu")
    temperature = fit_temperature(probabilities, truth)
    say(f"train_ensemble: temperature {temperature:.3f}, from {len(unseen)} images")
    with native_noise_hidden():
        _write_model(data_set, folds, temperature)


def _write_model(data_set: str, folds: Folds, temperature: float) -> None:
    from sonotrace.models.ensemble import ensemble
    from sonotrace.models.files import read_keras, write_keras

    paths = [fold_model(data_set, *run) for run in folds.runs]
    members = [read_keras(path.read_bytes(), path) for path in paths]
    entry = members[0][1] | {"judgement": Judgement(temperature).entry()}
    write_keras(ensemble([model for model, _, _ in members]), entry, ensemble_model(data_set))


def together(tables: dict[tuple[int, int], pd.DataFrame], names: tuple[str, ...]) -> pd.DataFrame:
    """Return one row an image, sorted: the mean of what the nets say that have not seen its patient, six decimals."""
    whole = pd.concat(tables.values(), ignore_index=True)
    whole[list(names)] = whole[list(names)].astype(float)
    keys = ["image", "patient", "label", "side", "fold"]
    found = whole.groupby(keys, sort=True)[list(names)].mean().round(6).reset_index()
    found.insert(len(keys), "predicted", [names[at] for at in found[list(names)].to_numpy().argmax(axis=1)])
    return found


def _truth(table: pd.DataFrame, names: tuple[str, ...]) -> NDArray[np.int64]:
    return np.array([names.index(label) for label in table["label"]], dtype=np.int64)


def _spread(tables: dict[tuple[int, int], pd.DataFrame], names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return the accuracy by fold, of all its seeds together, and by seed, of all folds together."""
    one_seed = {
        run: together({run: table[table["side"] != "test"]}, names).eval("predicted == label")
        for run, table in tables.items()
    }
    found: dict[str, dict[str, float]] = {}
    for at, key in enumerate(("accuracy_by_fold", "accuracy_by_seed")):
        for group in sorted({run[at] for run in one_seed}):
            right = np.concatenate([right for run, right in one_seed.items() if run[at] == group])
            found.setdefault(key, {})[str(group)] = round(float(right.mean()), 4)
    return found
