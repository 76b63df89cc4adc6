"""A comparison as `--json` prints it. Scripts read it: keys and figures stay as they are, sentences may change."""

from dataclasses import asdict
from typing import Any

import numpy as np

from sonotrace.compare.comparison import Comparison, State
from sonotrace.compare.data import Data, Move
from sonotrace.compare.paired import Difference
from sonotrace.compare.scores import Common, Full, Scores
from sonotrace.compare.settings import Change, Settings


def mapping(comparison: Comparison) -> dict[str, Any]:
    """Return the whole comparison as nested mappings and lists of JSON's own types."""
    return {
        "a": _state(comparison.a),
        "b": _state(comparison.b),
        "settings": _settings(comparison.settings),
        "data": {one.name: _data(one.data) if isinstance(one.data, Data) else None for one in comparison.data_sets},
        "scores": {one.name: _scores(one.scores) for one in comparison.data_sets},
        "worse": comparison.worse,
    }


def _state(state: State) -> dict[str, Any]:
    return asdict(state)


def _settings(settings: Settings) -> dict[str, Any]:
    return {
        "parameters": [_change(change) for change in settings.parameters],
        "code": [_change(change) | {"stages": list(change.stages)} for change in settings.code],
        "libraries": [_change(change) for change in settings.libraries],
        "snapshots": [_change(change) for change in settings.snapshots],
    }


def _change(change: Change) -> dict[str, Any]:
    """Return key and values, and `was` only if the key is another in A."""
    return {"key": change.key, "a": change.a, "b": change.b} | ({"was": change.was} if change.was else {})


def _data(data: Data) -> dict[str, Any]:
    return {
        "images": {"a": data.images.a, "b": data.images.b, **data.images.changes},
        "patients": asdict(data.patients),
        "moves": [_move(move) for move in data.moves],
        "groups": {name: [asdict(group) for group in groups] for name, groups in data.groups.items()},
        "warnings": data.warnings,
        "statistics": [asdict(shift) for shift in data.shifts],
    }


def _move(move: Move) -> dict[str, Any]:
    return {"from": move.before, "to": move.after, "images": move.images, "patients": move.patients}


def _scores(scores: Scores) -> dict[str, Any]:
    return {
        "primary": scores.primary,
        "common": _common(scores.common) if isinstance(scores.common, Common) else scores.common,
        "full": _full(scores.full) if scores.full else None,
        "folds": _common(scores.folds) if scores.folds else None,
    }


def _common(common: Common) -> dict[str, Any]:
    return {
        "images": common.images,
        "patients": common.patients,
        "relabelled": common.relabelled,
        "same_predictions": common.same_predictions,
        "scores": {
            name: _difference(score) | {"verdict": score.verdict, "sentence": common.sentence(name)}
            for name, score in common.scores.items()
        },
    }


def _difference(score: Difference) -> dict[str, float | None]:
    """Return the figures of a score; those that are undefined are None."""
    figures = {"a": score.a, "b": score.b, "difference": score.value}
    figures |= {"low": score.low, "high": score.high, "p": score.p}
    return {key: None if np.isnan(value) else round(float(value), 4) for key, value in figures.items()}


def _full(full: Full) -> dict[str, Any]:
    scores = {
        name: {key: value if key in ("a", "b") else round(value, 4) for key, value in asdict(score).items()}
        for name, score in full.scores.items()
    }
    return asdict(full) | {"scores": scores}
