"""The parameters that the project ships with, to say what differs from them and what each decides.

`shipped.yaml` is a copy of the project's own `params.yaml`, since a checkout's may say anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sonotrace.params.schema import comments
from sonotrace.records.lock import flat

SHIPPED = Path(__file__).with_name("shipped.yaml")


@dataclass(frozen=True)
class Parameter:
    """A parameter that is not as shipped."""

    key: str
    value: Any
    shipped: Any
    """None where the shipped file has no such parameter."""
    meaning: str


def changed(parameters: Mapping[str, Any], kinds: Mapping[str, str]) -> list[Parameter]:
    """Return which of `parameters`, dotted key -> value, differ from those shipped, in the order given.

    A data set of another name is held against the shipped one of its kind, as `kinds` has it: data set -> kind. One
    whose kind has no shipped data set is left out.
    """
    text = SHIPPED.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    shipped, said = flat(content), comments(text)
    of_kind = {one["kind"]: name for name, one in content["pull"].items()}
    found = []
    for key, value in parameters.items():
        section, _, rest = key.partition(".")
        data_set, _, name = rest.partition(".")
        if kinds.get(data_set, "planes") not in of_kind:
            continue
        like = f"{section}.{of_kind[kinds[data_set]]}.{name}" if data_set in kinds else key
        if like not in shipped or shipped[like] != value:
            found.append(Parameter(key, value, shipped.get(like), _meaning(like, said)))
    return found


def _meaning(key: str, said: Mapping[tuple[str, ...], str]) -> str:
    parts = tuple(key.split("."))
    # Of values on one line, such as fractions, only the outermost has the comment.
    texts = [said.get(parts[:length], "") for length in range(len(parts), min(len(parts) - 1, 2), -1)]
    # A value that both kinds have is explained once, at the first of them.
    others = [text for keys, text in said.items() if keys[0] == parts[0] and len(keys) > 2 and keys[2:] == parts[2:]]
    return next((text for text in [*texts, *others] if text), "")
