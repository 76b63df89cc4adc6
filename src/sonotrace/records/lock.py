"""One lock, from an output back to the data that it came from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from sonotrace.errors import SonotraceError

CODE = "src/"


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


def read(text: bytes | str) -> dict[str, Step]:
    """Parse a lock; return stage -> what it says of it. Raises SonotraceError where the text is no lock."""
    try:
        return steps(yaml.load(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        raise SonotraceError("dvc.lock: cannot be read; restore it with git") from None


def steps(lock: Mapping[str, Any]) -> dict[str, Step]:
    """Return stage -> what the lock says of it, in the lock's order."""
    entries: dict[str, Any] = lock.get("stages") or {}
    makers = {(out["path"], out["md5"]): name for name, entry in entries.items() for out in entry.get("outs", [])}
    found = {}
    for name, entry in entries.items():
        read = [
            Link(dep["path"], dep["md5"], makers.get((dep["path"], dep["md5"]), ""))
            for dep in entry.get("deps", [])
            if "md5" in dep
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


def data_sets(found: Mapping[str, Step]) -> list[str]:
    """Return the names of the data sets that were pulled, in the lock's order."""
    return [name.removeprefix("pull@") for name in found if name.startswith("pull@")]


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
