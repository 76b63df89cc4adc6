"""What spans several data sets: who is learned from, who is only measured on, and by which model.

A data set without a part in `augment` and the trainings is a cohort. No stage learns from it, so everybody in it
has to be on the test side.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from sonotrace.kinds.planes import KIND as PLANES

if TYPE_CHECKING:
    from sonotrace.params import Params


def faults(params: Params) -> Iterator[str]:
    """Yield what does not fit together, as `key is value: why; remedy`."""
    for data_set in params.data_sets:
        yield from _split(params, data_set)
        yield from _evaluate(params, data_set)
        yield from _export(params, data_set)
    for key, training in (("data_sets", "train_cnn"), ("box_data_sets", "train_yolo")):
        for data_set in getattr(params.folds, key):
            if data_set not in getattr(params, training):
                yield f"folds.{key}: {data_set} has no part in {training}, so it has no folds; remove it there"
    yield from _shards(params)


def _shards(params: Params) -> Iterator[str]:
    for stage in ("prepare", "augment"):
        for data_set in getattr(params.shards, stage):
            if data_set not in getattr(params, stage):
                yield f"shards.{stage}: {data_set} has no part in {stage}; remove it there"
    for data_set in params.shards.augment:
        if data_set not in params.shards.prepare:
            yield f"shards.augment: {data_set} is not in shards.prepare, whose shards it copies from; add it there"


def _split(params: Params, data_set: str) -> Iterator[str]:
    split, key = params.split[data_set], f"split.{data_set}"
    if data_set in params.learned:
        training = params.kind(data_set).training
        for side in ("train", "val"):
            if getattr(split.fractions, side) == 0:
                yield (
                    f"{key}.fractions.{side} is 0: {training} needs patients there; give it a share, "
                    f"or remove {data_set} from augment and {training} if it is only to be measured on"
                )
        return
    no_training = f"nothing is trained on {data_set}, so all its patients have to be on the test side"
    if split.fractions.test != 1:
        yield f"{key}.fractions.test is {split.fractions.test:g}: {no_training}; use {{train: 0, val: 0, test: 1}}"
    if split.use_official:
        yield f"{key}.use_official is True: {no_training}; set it to false"


def _export(params: Params, data_set: str) -> Iterator[str]:
    if data_set not in params.export_onnx:
        return
    exported, measured = params.export_onnx[data_set].model, params.evaluate[data_set].model
    if exported != measured:
        yield (
            f"export_onnx.{data_set}.model is {exported!r}: evaluate.{data_set}.model is {measured!r}; "
            "what is used has to be what is measured, so name the same one"
        )


def _evaluate(params: Params, data_set: str) -> Iterator[str]:
    section = "evaluate_scope" if data_set in params.evaluate_scope else "evaluate"
    stated, key = getattr(params, section)[data_set], f"{section}.{data_set}"
    kind = PLANES if section == "evaluate_scope" else params.kind(data_set)
    possible = [name for name in params.learned if params.kind(name) == kind]
    if stated.trained_on not in possible:
        yield (
            f"{key}.trained_on is {stated.trained_on!r}: no model of {kind.name} is trained on that; "
            f"name one of {', '.join(possible) or f'those you add to {kind.training}'}"
        )
    elif section == "evaluate_scope" and stated.model != params.evaluate[stated.trained_on].model:
        other = params.evaluate[stated.trained_on].model
        yield f"{key}.model is {stated.model!r}: evaluate.{stated.trained_on}.model is {other!r}; name the same one"
    maker = PurePath(stated.model).stem
    if maker != stated.trained_on and maker in params.learned:
        yield (
            f"{key}.trained_on is {stated.trained_on!r}: {stated.model} is trained on {maker}; "
            f"set it to {maker}, or name the model of {stated.trained_on}"
        )
