"""All that the page, the model card and the checklists say, as the stages wrote it; nothing is computed anew."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sonotrace.kinds.kind import Kind
from sonotrace.params import PATH, Params, load
from sonotrace.places import METRICS, PLOTS, gathered
from sonotrace.records.history import folder_md5
from sonotrace.records.lock import flat
from sonotrace.records.store import md5_of
from sonotrace.report.gathered import File, Gathered
from sonotrace.report.shipped import Parameter, changed

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Score:
    """A score with the ends of its 95 % interval; None where it could not be computed."""

    name: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Group:
    """The scores of one class, or of the images of one scanner, site or label."""

    name: str
    n: int
    """Images; of structures, boxes of the class."""
    scores: list[Score]
    patients: int | None = None


@dataclass(frozen=True)
class Folds:
    """The scores over all folds together, and their spread."""

    images: int
    patients: int
    overall: list[Score]
    spread: dict[str, dict[str, float | None]]
    """`by fold` and `by seed` -> its name -> the score `spread_of`."""
    spread_of: str
    """accuracy or map50."""


@dataclass(frozen=True)
class Curves:
    """What a training logged of each epoch."""

    stage: str
    series: dict[str, Points]
    """Name, such as `val/loss` -> (epoch from 1, value)."""


@dataclass(frozen=True)
class DataSet:
    """A data set with all that was measured on it."""

    gathered: Gathered
    kind: Kind
    is_learned: bool
    """Whether a model was trained on it; otherwise it is only measured on."""
    stage: str
    """evaluate or evaluate_scope."""
    tested: dict[str, int]
    """`images`, `patients` and so on -> how many were measured on."""
    interval: str
    overall: list[Score]
    classes: list[Group]
    groups: dict[str, list[Group]]
    """`scanner`, `site` and `label` -> groups."""
    worst: dict[str, Any] | None
    """The group with the lowest score, as `metrics/<data set>_groups.json` has it."""
    changes: list[Group]
    """Accuracy on changed images (docs/robustness.md); empty where that was not measured."""
    localisation: list[Group]
    """How tight, and how far off, the boxes of structures are; empty for planes."""
    as_is: Score | None
    """Accuracy on the images as they are, beside `changes`."""
    folds: Folds | None
    validation: dict[str, float]
    plots: dict[str, list[dict[str, str]]]
    """Name of a table in `plots/<data set>` -> its rows."""
    curves: list[Curves]
    prepared: dict[str, Any]

    @property
    def name(self) -> str:
        """Return the data set's name."""
        return self.gathered.data_set

    @property
    def primary(self) -> Score | None:
        """Return the score that decides (docs/decisions/0008)."""
        return next((score for score in self.overall if score.name == self.kind.primary), None)

    @property
    def detail(self) -> str:
        """Return the path of the file that holds every score."""
        return (METRICS / f"{self.name}_detail.json").as_posix()

    @property
    def is_drawn(self) -> bool:
        """Return whether its images are the phantom's."""
        return bool(self.gathered.snapshot["source"] == "phantom")


@dataclass(frozen=True)
class Facts:
    """All of it."""

    data_sets: list[DataSet]
    changed: list[Parameter]
    """The parameters that differ from those shipped."""
    parameters: dict[str, Any]
    """Dotted key -> value, all of `params.yaml`."""
    files: list[File]
    patients_shown: bool
    by_path: dict[str, File] = field(default_factory=dict)


def read() -> Facts:
    """Read the facts of the checkout that is the working directory.

    Metrics, plots and curves that are not there are left out. Raises SonotraceError where what `gather` leaves is
    not there.
    """
    params = load()
    parameters = flat(yaml.safe_load(PATH.read_text(encoding="utf-8")))
    sets = [_data_set(name, params) for name in params.data_sets]
    files = [file for one in sets for file in [*one.gathered.files, *_files(one)]]
    unique = {file.path: file for file in files}
    kinds = {name: params.kind(name).name for name in params.data_sets}
    shown = params.report.patients == "shown"
    return Facts(sets, changed(parameters, kinds), parameters, list(unique.values()), shown, unique)


def _data_set(name: str, params: Params) -> DataSet:
    kind = params.kind(name)
    stage = "evaluate" if name in params.evaluate else "evaluate_scope"
    detail, groups = _json(METRICS / f"{name}_detail.json"), _json(METRICS / f"{name}_groups.json")
    robustness = _json(METRICS / f"{name}_robustness.json")
    return DataSet(
        gathered=Gathered.read(gathered(name)),
        kind=kind,
        is_learned=name in params.learned,
        stage=stage,
        tested={key.removeprefix("n_"): value for key, value in detail.items() if key.startswith("n_")},
        interval=detail.get("interval", ""),
        overall=_scores(detail.get("overall", {})),
        classes=[Group(one, found["n"], _scores(found)) for one, found in detail.get(kind.per_class, {}).items()],
        groups={by: _groups(groups[by], groups["score"]) for by in ("scanner", "site", "label") if by in groups},
        worst=groups.get("worst"),
        changes=[
            Group(one, robustness["n_images"], _scores(found), robustness["n_patients"])
            for one, found in robustness.get("changes", {}).items()
        ],
        localisation=list(_localisation(_json(METRICS / f"{name}_localisation.json"), detail.get(kind.per_class, {}))),
        as_is=_score("accuracy", robustness["as_is"]) if "as_is" in robustness else None,
        folds=_folds(_json(METRICS / f"{name}_folds_detail.json")) if name in params.folds.all_data_sets else None,
        validation=_json(METRICS / f"{name}_validation.json"),
        plots={path.stem: _rows(path, ",") for path in sorted((PLOTS / name).glob("*.csv"))},
        curves=list(_curves(name)),
        prepared=params.prepare[name].model_dump(),
    )


LOCALISATION = {
    "ap75": "ap_by_iou/0.75",
    "recall_at_1_false_box": "recall_by_false_boxes/1",
    "distance_px": "distance_px",
    "distance_mm": "distance_mm",
    "more_than_anatomy": "more_than_anatomy",
}
"""Score -> where `metrics/<data set>_localisation.json` has it, for each structure and for all."""


def _localisation(found: dict[str, Any], counts: dict[str, Any]) -> Iterator[Group]:
    for name in ["all", *counts] if found else []:
        n = sum(one["n"] for one in counts.values()) if name == "all" else counts[name]["n"]
        scores = []
        for score, place in LOCALISATION.items():
            values = found
            for key in place.split("/"):
                values = values[key]
            scores.append(_score(score, values[name]))
        yield Group(name, n, [one for one in scores if one.name != "distance_mm" or one.value is not None])


def _score(name: str, found: dict[str, float | None]) -> Score:
    return Score(name, found["value"], found["low"], found["high"])


def _scores(found: dict[str, Any]) -> list[Score]:
    return [_score(name, value) for name, value in found.items() if isinstance(value, dict)]


def _groups(found: dict[str, Any], score: str) -> list[Group]:
    return [Group(name, one["n_images"], [_score(score, one[score])], one["n_patients"]) for name, one in found.items()]


def _folds(detail: dict[str, Any]) -> Folds | None:
    if not detail:
        return None
    spread = {key: detail[key] for key in detail if key.endswith(("_by_fold", "_by_seed"))}
    by = {f"by {key.rpartition('_')[2]}": values for key, values in spread.items()}
    score = next((key.rpartition("_by_")[0] for key in spread), "")
    return Folds(detail["n_images"], detail["n_patients"], _scores(detail["overall"]), by, score)


def _curves(data_set: str) -> Iterator[Curves]:
    """Yield what each training of a data set logged."""
    for place in sorted(PLOTS.glob(f"train_*/{data_set}")):
        logged = place / "plots" / "metrics"
        series = {}
        for path in sorted(logged.rglob("*.tsv")):
            name = path.relative_to(logged).with_suffix("").as_posix()
            rows = _rows(path, "\t")
            series[name] = [(float(row["step"]) + 1, float(row[path.stem])) for row in rows]
        if series:
            yield Curves(place.parent.name, series)


def _files(data_set: DataSet) -> Iterator[File]:
    """Yield the metrics and plots of a data set, with the stages that write them."""
    name = data_set.name
    evaluated, trained = f"{data_set.stage}@{name}", f"{data_set.kind.training}@{name}"
    endings = dict.fromkeys(("", "_low", "_high", "_detail", "_groups", "_localisation", "_robustness"), evaluated)
    if data_set.folds:
        pooled = "evaluate_folds" if data_set.kind.has_boxes else "train_ensemble"
        endings |= dict.fromkeys(("_folds", "_folds_detail", "_folds_localisation"), f"{pooled}@{name}")
    endings |= {"_validation": trained} if data_set.is_learned else {}
    for ending, stage in endings.items():
        path = METRICS / f"{name}{ending}.json"
        if path.is_file():
            yield File(path.as_posix(), stage, md5_of(path))
    folders = {PLOTS / name: evaluated} | {PLOTS / one.stage / name: f"{one.stage}@{name}" for one in data_set.curves}
    for path, stage in folders.items():
        if path.is_dir():
            yield File(path.as_posix(), stage, _md5_of_folder(path))


def _md5_of_folder(path: Path) -> str:
    """Return the hash that `dvc.lock` has; Snakemake's own file in the folder does not count."""
    files = (file for file in path.rglob("*") if file.is_file() and file.name != ".snakemake_timestamp")
    return folder_md5({file.relative_to(path).as_posix(): md5_of(file) for file in files})


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _rows(path: Path, delimiter: str) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))
