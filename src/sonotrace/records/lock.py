"""One lock, from an output back to the data that it came from."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from sonotrace.documents import read_yaml
from sonotrace.errors import SonotraceError
from sonotrace.records.history import folder_md5

CODE = "src/"
_STAGE = re.compile(rb"^  ([^\s:]+):\n", re.MULTILINE)
"""Where the entry of a stage begins in a lock, as DVC writes it."""


@dataclass(frozen=True)
class Link:
    """A file or folder that a stage read or wrote, with its hash."""

    path: str
    md5: str
    """As DVC writes it: a folder's ends in `.dir`."""
    made_by: str = ""
    """The stage that wrote it, where the lock has one with this hash."""


@dataclass(frozen=True)
class Step:
    """A stage as it ran."""

    stage: str
    command: str
    parameters: Mapping[str, Any]
    code: list[Link]
    inputs: list[Link]
    outputs: list[Link]

    @property
    def links(self) -> list[Link]:
        """Return all that it read and wrote."""
        return [*self.code, *self.inputs, *self.outputs]


def read(text: bytes | str, stages: tuple[str, ...] = ("",)) -> dict[str, Step]:
    """Parse a lock; return stage -> its step, of the stages whose name begins with one of `stages`.

    Parsing takes the time, so what several locks have in common is parsed once. Raises SonotraceError where
    the text is not a lock.
    """
    head, *rest = _STAGE.split(text.encode() if isinstance(text, str) else text)
    try:
        if not rest:
            return steps(_parsed(head))
        named = [(name.decode(), entry) for name, entry in zip(rest[::2], rest[1::2], strict=True)]
        return steps({"stages": {name: _parsed(entry) for name, entry in named if name.startswith(stages)}})
    except (ValueError, AttributeError, LookupError, TypeError):
        raise SonotraceError("dvc.lock: cannot be read; restore it with git") from None


@lru_cache(maxsize=4096)
def _parsed(text: bytes) -> Any:
    return read_yaml(text.decode())


def steps(lock: Mapping[str, Any]) -> dict[str, Step]:
    """Return stage -> what the lock says of it, in the lock's order.

    A folder that a stage read, and that is no stage's own, is given as the outputs of stages that it consists of.
    """
    entries: dict[str, Any] = lock.get("stages") or {}
    makers = {
        (out["path"], out["md5"]): name
        for name, entry in entries.items()
        for out in entry.get("outs", [])
        if "md5" in out
    }
    found = {}
    for name, entry in entries.items():
        deps = [(dep["path"], dep["md5"]) for dep in entry.get("deps", []) if "md5" in dep]
        read = [
            Link(path, md5, makers.get((path, md5), ""))
            for dep in deps
            for path, md5 in ([dep] if dep in makers else _members(*dep, makers) or [dep])
        ]
        found[name] = Step(
            name,
            " && ".join(entry["cmd"]) if isinstance(entry["cmd"], list) else entry["cmd"],
            {key: value for values in entry.get("params", {}).values() for key, value in values.items()},
            [link for link in read if link.path.startswith(CODE)],
            [link for link in read if not link.path.startswith(CODE)],
            [Link(out["path"], out["md5"], name) for out in entry.get("outs", []) if "md5" in out],
        )
    return found


def asks_for(parameters: Mapping[str, Any], stage: str) -> bool:
    """Return whether `parameters`, dotted key -> value, ask for the stage of a shard; of other stages, True.

    DVC keeps the entries of stages that are gone in its lock.
    """
    kind, _, item = stage.partition("@")
    if not kind.endswith("_shard"):
        return True
    data_set, _, shard = item.rpartition("-")
    listed = parameters.get(f"shards.{kind.removesuffix('_shard')}", [])
    return data_set in listed and int(shard) in parameters.get("shards.numbers", [])


def _members(folder: str, md5: str, makers: Mapping[tuple[str, str], str]) -> list[tuple[str, str]]:
    """Return the outputs below a folder, if they are all that it held.

    A lock does not say what the folders among them hold, so with such a one that cannot be told, and is believed.
    """
    below = [out for out in makers if md5.endswith(".dir") and out[0].startswith(f"{folder}/")]
    whole = {path.removeprefix(f"{folder}/"): own for path, own in below}
    has_folders = any(own.endswith(".dir") for own in whole.values())
    return sorted(below) if below and (has_folders or folder_md5(whole) == md5) else []


def data_sets(found: Mapping[str, Step]) -> list[str]:
    """Return the names of the data sets that were pulled, in the lock's order."""
    return [name.removeprefix("pull@") for name in found if name.startswith("pull@")]


def learned(found: Mapping[str, Step]) -> list[str]:
    """Return the names of the data sets that have a model, trained or not; the others are cohorts.

    A cohort has no training, and its evaluation names another data set that the model was trained on.
    """
    return [data_set for data_set in data_sets(found) if training(found, data_set) or not _is_cohort(found, data_set)]


def _is_cohort(found: Mapping[str, Step], data_set: str) -> bool:
    for section in ("evaluate", "evaluate_scope"):
        step = found.get(f"{section}@{data_set}")
        if step and flat(step.parameters).get(f"{section}.{data_set}.trained_on", data_set) != data_set:
            return True
    return False


def is_training(stage: str) -> bool:
    """Return whether a stage of this name trains: `train_cnn@planes`, or `train_cnn` in older locks."""
    return stage.startswith("train_")


def models(step: Step) -> list[Link]:
    """Return the models that a step trained; none for a step that is no training."""
    return [link for link in step.outputs if link.path.startswith("models/")] if is_training(step.stage) else []


def exports(step: Step) -> list[Link]:
    """Return the models that a step wrote in the form that predict uses."""
    return [link for link in step.outputs if link.path.endswith(".onnx")] if step.stage.startswith("export_") else []


def training(found: Mapping[str, Step], data_set: str) -> Step | None:
    """Return the step that trained the model of a data set, by any name that the stage has had."""
    own = (step for step in found.values() for model in models(step) if PurePath(model.path).stem == data_set)
    return next(own, None)


def roles(found: Mapping[str, Step], md5: str) -> Iterator[tuple[Step, Link, str]]:
    """Yield the stages that wrote (`output`) or, where none did, read (`input`) this hash."""
    outputs = [(step, link) for step in found.values() for link in step.outputs if link.md5 == md5]
    inputs = [(step, link) for step in found.values() for link in [*step.inputs, *step.code] if link.md5 == md5]
    for step, link in outputs:
        yield step, link, "output"
    if not outputs:
        for step, link in inputs:
            yield step, link, "input"


def ancestors(found: Mapping[str, Step], stage: str) -> list[Step]:
    """Return the stage and all that its inputs came from, nearest first, each once."""
    order, queue = [stage], [stage]
    while queue:
        for link in found[queue.pop(0)].inputs:
            if link.made_by and link.made_by not in order:
                order.append(link.made_by)
                queue.append(link.made_by)
    return [found[name] for name in order]


def flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted key -> value; lists stay lists."""
    found: dict[str, Any] = {}
    for key, value in parameters.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def text(value: Any) -> str:
    """Write a parameter's value on one line."""
    return value if isinstance(value, str) else json.dumps(value)
