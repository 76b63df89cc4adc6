"""YAML and JSON from others: whatever is wrong with a document is a ValueError of one line.

The libraries raise many kinds of errors; libyaml crashes on deep nesting; and a few lines with aliases can expand to
more than fits into memory.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from sonotrace.errors import SonotraceError

MOST_BRACKETS = 1000
"""Most `[` and `{` that a YAML document may have, and so most levels in that style."""
MOST_VALUES = 100_000
"""Most values that a YAML document with aliases may expand to."""
WIDEST = 500
"""Columns of an indentation that is too wide: in block style, at least every second level is indented further."""
_INDENTED = re.compile(rf"[ \-?:\t]{{{WIDEST}}}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""An escaped half of a character beyond the first 65,536."""


class YamlError(ValueError):
    """The text is not YAML, or cannot be used."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        """Take the reason, and the line, counted from 1, if it is known."""
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason = reason
        self.line = line


def read_yaml(text: str, loader: Any = yaml.CSafeLoader) -> Any:
    """Parse a YAML document; raises YamlError if it is damaged, nested too deeply, or expands to too many values."""
    is_wide = max(map(len, text.splitlines()), default=0) >= WIDEST and _INDENTED.search(text)
    if is_wide or text.count("[") + text.count("{") > MOST_BRACKETS:
        raise YamlError("may be nested too deeply")
    try:
        return _constructed(loader(text), text)
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise YamlError(error.problem or "not YAML", line) from None
    except RecursionError:
        raise YamlError("nested too deeply") from None
    except Exception as error:  # noqa: BLE001 - PyYAML raises many kinds for values that their tag does not allow
        raise YamlError(str(error).partition("\n")[0] or "not YAML") from None


def _constructed(loader: Any, text: str) -> Any:
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if "*" in text and _values(node, {}) > MOST_VALUES:
            raise YamlError(f"its aliases expand to more than {MOST_VALUES} values")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _values(node: Any, known: dict[int, float]) -> float:
    """Return how many values a node expands to, counting those of an alias each time."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = float("inf")  # a node that contains itself has no end
        parts = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(node)]


def read_json(content: bytes | str) -> Any:
    """Parse JSON; raises ValueError if it is damaged, nested too deeply, or has text that UTF-8 cannot encode."""
    try:
        found = json.loads(content)
        if _SURROGATE.search(content if isinstance(content, bytes) else content.encode(errors="replace")):
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half of a character (a lone surrogate)") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def tracked_outs(path: Path) -> list[dict[str, Any]]:
    """Return the entries under `outs` of the `.dvc` file of a snapshot; raises SonotraceError if it has none."""
    try:
        found = read_yaml(path.read_text(encoding="utf-8"))["outs"]
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(out, dict) for out in found):
        raise SonotraceError(f"{path}: not a file of DVC; restore it with git, or run `dvc add` on the folder again")
    return found
