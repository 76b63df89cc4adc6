"""What earlier runs with other folds or seeds left beside those of this run."""

from collections.abc import Sequence

from sonotrace.places import fold_model, fold_predictions, folder
from sonotrace.running.outputs import remove


def clear_others(data_set: str, runs: Sequence[tuple[int, int]], ending: str) -> None:
    """Remove the models and predictions of folds that are not among `runs` (fold and seed).

    DVC has them in its cache. `ending` is that of the models of their kind.
    """
    kept = {fold_model(data_set, *run, ending) for run in runs}
    kept |= {fold_predictions(data_set, *run).parent for run in runs}
    for place in (fold_model(data_set, 1, 0, ending).parent, folder(data_set, "folds")):
        for path in sorted(place.iterdir()):
            if path not in kept:
                remove(path)
