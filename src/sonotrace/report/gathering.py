"""Gather what the report says of one data set from the tables and images of its stages."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from sonotrace.images.packs import stored_in
from sonotrace.kinds.kind import Kind
from sonotrace.params import Params
from sonotrace.places import REPORTS, folder
from sonotrace.records.store import md5_of
from sonotrace.report import answers, detections, set_apart
from sonotrace.report.gathered import Case, Count, File, Gathered
from sonotrace.report.naming import Naming
from sonotrace.tables import NOT_STATED, SIDES, read_table

REPORTED = {"snapshot": "pull", "data": "validate", "split": "split"}
"""Report of a data set -> the stage that writes it."""
TABLES = {
    "pull": ("manifest.csv",),
    "validate": ("accepted.csv", "quarantine.csv"),
    "split": ("split.csv",),
    "prepare": ("boxes.csv",),
}
"""Stage -> its tables that the report counts from."""


def of_data_set(data_set: str, stage: str, params: Params) -> Gathered:
    """Return what the report says of a data set that `stage`, evaluate or evaluate_scope, measured a model on."""
    stated, kind = getattr(params, stage)[data_set], params.kind(data_set)
    split = read_table(folder(data_set, "split") / "split.csv")
    predictions = read_table(folder(data_set, stage) / "predictions.csv")
    if "data_set" in predictions:
        predictions = predictions[predictions["data_set"] == data_set].reset_index(drop=True)
    naming = Naming(params.report.patients == "shown")
    found: dict[str, Any]
    boxes = read_table(folder(data_set, "prepare") / "boxes.csv")
    if kind.has_boxes:
        found = _of_boxes(data_set, kind, split, predictions, boxes, params, naming)
    else:
        found = _of_classes(data_set, stage, split, predictions, params, naming)
    model = Path(stated.model)
    reports: dict[str, Any] = {name: _json(REPORTS / data_set / f"{name}.json") for name in REPORTED}
    return Gathered(
        data_set=data_set,
        kind=kind.name,
        model=stated.model,
        model_bytes=model.stat().st_size,
        trained_on=stated.trained_on,
        **reports,
        counts=_counts(split, boxes if kind.has_boxes else None),
        set_apart=set_apart.shown(
            read_table(folder(data_set, "validate") / "quarantine.csv"),
            read_table(folder(data_set, "pull") / "manifest.csv"),
            folder(data_set, "pull") / "images",
            naming.shown,
        ),
        files=_files(data_set, stage, stated.trained_on, model, kind),
        **found,
    )


def _of_classes(
    data_set: str, stage: str, split: pd.DataFrame, predictions: pd.DataFrame, params: Params, naming: Naming
) -> dict[str, Any]:
    shown = answers.errors(predictions) if stage == "evaluate" else answers.accepted(predictions)
    prepared = params.prepare[data_set]
    images = stored_in(folder(data_set, "prepare") / "images")
    cases: list[Case] = answers.cases(shown, split, images, (prepared.width, prepared.height), naming)
    return {
        "names": answers.classes(predictions),
        "confusion": answers.confusion(predictions),
        "refused": int(answers.refused(predictions).sum()),
        "detections": {},
        "cases": cases,
    }


def _of_boxes(
    data_set: str,
    kind: Kind,
    split: pd.DataFrame,
    predictions: pd.DataFrame,
    boxes: pd.DataFrame,
    params: Params,
    naming: Naming,
) -> dict[str, Any]:
    tested, prepared = split[split["side"] == "test"], params.prepare[data_set]
    threshold: float = params.evaluate[data_set].confidence  # type: ignore[attr-defined]
    drawn = detections.judged(predictions, boxes, list(tested["image"]), threshold)
    images = stored_in(folder(data_set, "prepare") / "images")
    names = kind.classes(())
    return {
        "names": list(names),
        "confusion": {},
        "refused": 0,
        "detections": detections.counted(drawn, names),
        "cases": detections.cases(drawn, split, images, (prepared.width, prepared.height), naming),
    }


def _counts(split: pd.DataFrame, boxes: pd.DataFrame | None) -> list[Count]:
    """Count images and patients by class, scanner and site on each side; of boxes, a class counts its images."""
    groups = {by: split.assign(group=split[by].replace("", NOT_STATED)) for by in ("scanner", "site")}
    if boxes is None:
        groups = {"class": split.assign(group=split["label"])} | groups
    else:
        shown = boxes[["image", "structure"]].drop_duplicates().merge(split, on="image")
        groups = {"class": shown.assign(group=shown["structure"])} | groups
    found = []
    for by, table in groups.items():
        for group in sorted(table["group"].unique()):
            for side in SIDES:
                own = table[(table["group"] == group) & (table["side"] == side)]
                found.append(Count(by, str(group), side, len(own), int(own["patient"].nunique())))
    return found


def _files(data_set: str, stage: str, trained_on: str, model: Path, kind: Kind) -> list[File]:
    paths = {REPORTS / data_set / f"{name}.json": f"{maker}@{data_set}" for name, maker in REPORTED.items()}
    paths |= {
        folder(data_set, maker) / name: f"{maker}@{data_set}" for maker, names in TABLES.items() for name in names
    }
    paths |= {folder(data_set, stage) / "predictions.csv": f"{stage}@{data_set}"}
    made = [File(path.as_posix(), maker, md5_of(path)) for path, maker in sorted(paths.items())]
    return [File(model.as_posix(), f"{_training(model, trained_on, kind)}@{trained_on}", md5_of(model)), *made]


def _training(model: Path, trained_on: str, kind: Kind) -> str:
    """Return the stage that made a model: the data set's own, or one of those of folds."""
    own = {f"{trained_on}_ensemble": "train_ensemble", f"{trained_on}_distilled": "train_distilled"}
    return own.get(model.stem, kind.training or "train_cnn")


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
