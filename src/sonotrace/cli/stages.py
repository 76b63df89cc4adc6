"""One command per stage, as `dvc.yaml` calls them."""

import importlib
from typing import Annotated

import typer

from sonotrace.cli.options import AllowUnknown, DataSet

Shard = Annotated[int, typer.Argument(help="The shard of patients, from 1.")]


def run(stage: str, *given: str | bytes | int) -> None:
    """Run a stage with what it is `given`, the data set first, and record what the run took."""
    from sonotrace.running import engine, runs

    named = [str(one) for one in given if not isinstance(one, bytes)]
    name = f"{stage}@{'-'.join(named)}" if named else stage
    try:
        with engine.stage(name), runs.recorded(name):
            importlib.import_module(f"sonotrace.stages.{stage}").run(*given)
    except Exception as error:
        if command := runs.restoring(name):
            error.add_note(f"to restore the outputs of the last good run of {name}: {command}")
        raise


def pull(data_set: DataSet) -> None:
    """Bring a snapshot's images and labels in."""
    run("pull", data_set)


def validate(data_set: DataSet) -> None:
    """Decode every image once and set bad ones apart, with a reason for each."""
    run("validate", data_set)


def split(data_set: DataSet) -> None:
    """Assign every patient to train, val or test."""
    run("split", data_set)


def prepare_shard(data_set: DataSet, shard: Shard) -> None:
    """Prepare the images of one shard of the patients."""
    run("prepare_shard", data_set, shard)


def prepare(data_set: DataSet) -> None:
    """Bring every image to one size, and its boxes with it."""
    run("prepare", data_set)


def augment_shard(data_set: DataSet, shard: Shard) -> None:
    """Make seeded copies of the training images of one shard of the patients."""
    run("augment_shard", data_set, shard)


def augment(data_set: DataSet) -> None:
    """Make seeded, changed copies of the training images."""
    run("augment", data_set)


def train_cnn(data_set: DataSet) -> None:
    """Train the plane classifier."""
    run("train_cnn", data_set)


def train_cnn_fold(
    data_set: DataSet,
    fold: Annotated[int, typer.Argument(help="The fold of patients to leave out, from 1.")],
    seed: Annotated[int, typer.Argument(help="Of the training, in place of train_cnn's.")],
) -> None:
    """Train the plane classifier without one fold of patients."""
    run("train_cnn_fold", data_set, fold, seed)


def train_ensemble(data_set: DataSet) -> None:
    """Make one model of those of all folds."""
    run("train_ensemble", data_set)


def train_distilled(data_set: DataSet) -> None:
    """Train one classifier to answer as those of all folds do."""
    run("train_distilled", data_set)


def train_yolo(data_set: DataSet) -> None:
    """Train the structure detector."""
    run("train_yolo", data_set)


def train_yolo_fold(
    data_set: DataSet,
    fold: Annotated[int, typer.Argument(help="The fold of patients to leave out, from 1.")],
    seed: Annotated[int, typer.Argument(help="Of the training, in place of train_yolo's.")],
) -> None:
    """Train the structure detector without one fold of patients."""
    run("train_yolo_fold", data_set, fold, seed)


def evaluate_folds(data_set: DataSet) -> None:
    """Measure a detector on all patients, each by the net of the fold that has not seen them."""
    run("evaluate_folds", data_set)


def evaluate(data_set: DataSet, allow_unknown: AllowUnknown = False) -> None:
    """Measure a model on the test side, with intervals by patient."""
    _measure("evaluate", data_set, allow_unknown)


def evaluate_scope(data_set: DataSet, allow_unknown: AllowUnknown = False) -> None:
    """Measure whether a classifier tells images that are none of its classes."""
    _measure("evaluate_scope", data_set, allow_unknown)


def export_onnx(data_set: DataSet, allow_unknown: AllowUnknown = False) -> None:
    """Make the file of a model that `predict` uses."""
    _measure("export_onnx", data_set, allow_unknown)


def gather(data_set: DataSet) -> None:
    """Pick what the report shows of a data set."""
    run("gather", data_set)


def gather_scope(data_set: DataSet) -> None:
    """Pick what the report shows of images that are none of a classifier's classes."""
    run("gather_scope", data_set)


def report() -> None:
    """Write the page of results, reports/index.html."""
    run("report")


def _measure(stage: str, data_set: str, allow_unknown: bool) -> None:
    """Run a stage with the bytes of the model that its section names, which were checked."""
    from pathlib import Path

    from sonotrace.lineage.known import read_current
    from sonotrace.params import load

    model = read_current(Path(getattr(load(), stage)[data_set].model), Path(), allow_unknown)
    if not model.known:
        print(f"{stage}: warning: {model.warning}", flush=True)
    run(stage, data_set, model.content)


STAGES = (
    *(pull, validate, split, prepare_shard, prepare, augment_shard, augment),
    *(train_cnn, train_cnn_fold, train_ensemble, train_distilled),
    *(train_yolo, train_yolo_fold, evaluate_folds, evaluate, evaluate_scope, export_onnx),
    *(gather, gather_scope, report),
)
"""In running order."""
