"""What earlier runs with other folds, seeds or shards left beside those of this run."""

from collections.abc import Sequence
from pathlib import Path

from sonotrace.places import fold_model, fold_predictions, folder, shard_images
from sonotrace.running.outputs import remove


def clear_others(data_set: str, runs: Sequence[tuple[int, int]], ending: str) -> None:
    """Remove the models and predictions of folds that are not among `runs` (fold and seed).

    DVC has them in its cache. `ending` is that of the models of their kind.
    """
    kept = {fold_model(data_set, *run, ending) for run in runs}
    kept |= {fold_predictions(data_set, *run).parent for run in runs}
    for place in (fold_model(data_set, 1, 0, ending).parent, folder(data_set, "folds")):
        _keep(kept, place)


def clear_other_shards(data_set: str, stage: str, shards: Sequence[int]) -> None:
    """Remove the packs of shards of `prepare` or `augment` that are not among `shards`."""
    kept = {shard_images(data_set, stage, shard).parent for shard in shards}
    place = folder(data_set, f"{stage}_shard")
    if kept and place.is_dir():
        _keep(kept, place)
    elif not kept:
        remove(place)


def _keep(kept: set[Path], place: Path) -> None:
    """Remove from a folder what is not among `kept`."""
    for path in sorted(place.iterdir()):
        if path not in kept:
            remove(path)
