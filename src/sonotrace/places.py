"""Where things are: the folders of a checkout, named here and nowhere else."""

from pathlib import Path

STATE = Path(".sonotrace")
"""What tools keep between runs, in the checkout; it may be deleted at any time."""
DATA = Path("data")
REPORTS = Path("reports")
METRICS = Path("metrics")
PLOTS = Path("plots")
FOR_REPORT = DATA / "for-report"
"""What `gather` leaves, one file per data set; no data set can have this name, since it has a hyphen."""
PAGE = REPORTS / "index.html"


def folder(data_set: str, stage: str) -> Path:
    """Return the folder of a stage's tables and images: `data/<data set>/<stage>`."""
    return DATA / data_set / stage


def fold_predictions(data_set: str, fold: int, seed: int) -> Path:
    """Return the table of what the net of a fold says of those it has not seen."""
    return folder(data_set, "folds") / f"{fold}-{seed}" / "predictions.csv"


def fold_model(data_set: str, fold: int, seed: int, ending: str = ".keras") -> Path:
    """Return the model of a fold; `ending` is that of the models of its kind."""
    return Path("models") / "folds" / data_set / f"{fold}-{seed}{ending}"


def shard_images(data_set: str, stage: str, shard: int) -> Path:
    """Return the folder of the packs that a shard of `prepare` or `augment` made."""
    return folder(data_set, f"{stage}_shard") / str(shard) / "images"


def shard_table(data_set: str, stage: str, shard: int) -> Path:
    """Return the list of the packs that a shard of `prepare` or `augment` made."""
    return shard_images(data_set, stage, shard).with_name("packs.csv")


def onnx_model(data_set: str) -> Path:
    """Return the form of a data set's model that `predict` uses."""
    return Path("models") / f"{data_set}.onnx"


def ensemble_model(data_set: str) -> Path:
    """Return the model that is all models of the folds together."""
    return Path("models") / f"{data_set}_ensemble.keras"


def distilled_model(data_set: str) -> Path:
    """Return the one model that learnt from those of the folds."""
    return Path("models") / f"{data_set}_distilled.keras"


def gathered(data_set: str) -> Path:
    """Return the file of all that the report says of a data set, its pictures included."""
    return FOR_REPORT / f"{data_set}.json"
