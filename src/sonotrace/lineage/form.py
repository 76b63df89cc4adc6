"""The answers as plain values, as `--json` prints them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import singledispatch
from typing import Any

from sonotrace.lineage.origins import FileLineage, Origin
from sonotrace.lineage.people import PersonLineage
from sonotrace.records.history import Commit
from sonotrace.records.lock import Step, flat

USES = {"train": "trained on", "val": "tuned on", "test": "tested on", "held out": "held out"}
"""Side -> what a model did with its images, in the words that `uses` has always had."""


@singledispatch
def plain(answer: object) -> dict[str, Any]:
    """Return an answer as dicts, lists and strings."""
    raise TypeError(type(answer))


@plain.register
def _(answer: FileLineage) -> dict[str, Any]:
    return {
        "file": answer.file,
        "md5": answer.md5,
        "origins": [_origin(origin) for origin in answer.origins],
        "missing": answer.missing,
        "notes": [*answer.missing, *answer.notes],
    }


@plain.register
def _(answer: PersonLineage) -> dict[str, Any]:
    return {
        answer.column: answer.value,
        "unseen": answer.unseen,
        "held": [
            {
                "data_set": one.data_set,
                "split_md5": one.split_md5,
                "sides": one.sides,
                "commits": _commits(one.commits),
                "uncommitted": one.is_uncommitted,
            }
            for one in answer.held
        ],
        "models": [
            {
                "path": one.path,
                "md5": one.md5,
                "data_set": one.data_set,
                "uses": [USES[side] for side in one.sides],
                "sides": one.sides,
                "commits": _commits(one.commits),
                "uncommitted": one.is_uncommitted,
            }
            for one in answer.models
        ],
        "missing": answer.missing,
        "notes": [*answer.missing, *answer.notes],
    }


def _origin(origin: Origin) -> dict[str, Any]:
    asked = {"sides": origin.sides, "verified": origin.verified}
    return {
        "path": origin.path,
        "role": origin.role,
        "stage": origin.stage,
        "steps": [_step(step) for step in origin.steps],
        "commits": _commits(origin.commits),
        "uncommitted": origin.is_uncommitted,
        "snapshots": origin.snapshots,
        "splits": origin.splits,
        **{name: value for name, value in asked.items() if value is not None},
    }


def _step(step: Step) -> Mapping[str, Any]:
    return {
        "stage": step.stage,
        "command": step.command,
        "parameters": flat(step.parameters),
        "code": [asdict(link) for link in step.code],
        "inputs": [asdict(link) for link in step.inputs],
    }


def _commits(commits: Iterable[Commit]) -> list[dict[str, Any]]:
    return [asdict(commit) for commit in commits]
