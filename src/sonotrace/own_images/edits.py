"""Change values in `params.yaml` and nothing else: comments, order and layout stay as they are."""

import difflib
import operator
import re
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from sonotrace.errors import SonotraceError
from sonotrace.params import PATH, Params, load
from sonotrace.running.outputs import write_bytes


def read(path: Path = PATH) -> str:
    """Return the text of params.yaml with its line ends as they are."""
    return path.read_bytes().decode()


def changed(text: str, values: Mapping[str, Any]) -> str:
    """Return `text` with other values, given as dotted key -> value; comments behind them keep their column.

    Raises SonotraceError where a key is not there or is a whole section, and where other values would change
    with it, as they do where YAML's anchors share one.
    """
    wanted = yaml.safe_load(text)
    for key, value in values.items():
        text = _changed(text, key, value)
        *above, last = key.split(".")
        reduce(operator.getitem, above, wanted)[last] = value
    try:
        is_right = yaml.safe_load(text) == wanted
    except yaml.YAMLError:
        is_right = False
    if not is_right:
        raise SonotraceError(f"{PATH}: values that share an anchor; set {', '.join(values)} by hand")
    return text


def check(text: str, scratch: Path) -> Params:
    """Return the parameters of the text of a params.yaml, which is written to `scratch` for that.

    Raises SonotraceError where it is not a good one.
    """
    path = scratch / PATH
    write_bytes(text.encode(), path)
    try:
        return load(path)
    except SonotraceError as error:
        raise SonotraceError(str(error).replace(str(path), str(PATH))) from None


def parsed(text: str, settings: list[str]) -> dict[str, Any]:
    """Return dotted key -> value of settings `KEY=VALUE`, as `dvc exp run --set-param` takes them.

    A value that takes the place of text is text; any other is read as YAML. Raises SonotraceError where
    there is no `=` or no such key.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, mark, stated = setting.partition("=")
        if not mark:
            raise SonotraceError(f"--set-param {setting}: not KEY=VALUE, such as train_cnn.planes.epochs=20")
        is_text = _find(text, key).tag == "tag:yaml.org,2002:str"
        try:
            values[key] = stated if is_text else yaml.safe_load(stated)
        except yaml.YAMLError:
            raise SonotraceError(f"--set-param {setting}: the value is not YAML; put quotes around it") from None
    return values


def diff(old: str, new: str) -> Iterator[str]:
    """Yield the lines of a unified diff, without line ends."""
    yield from difflib.unified_diff(old.splitlines(), new.splitlines(), f"{PATH}", f"{PATH}", n=1, lineterm="")


def _changed(text: str, key: str, value: Any) -> str:
    node = _find(text, key)
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        raise SonotraceError(f"{PATH}: {key} has values of its own; name one of them, such as {key}.<name>")
    if yaml.SafeLoader(text[node.start_mark.index : node.end_mark.index]).get_single_data() == value:
        return text
    # A list with a line for each item ends where the next key begins.
    end = node.start_mark.index + len(text[node.start_mark.index : node.end_mark.index].rstrip())
    before, after = text[: node.start_mark.index], text[end:]
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        before = f"{before.rstrip()} "  # onto the line of its key
    written = _written(value, node)
    comment = re.match(r"( +)#", after)
    if comment:
        longer = len(written) - (node.end_mark.index - node.start_mark.index)
        after = " " * max(1, len(comment[1]) - longer) + after[len(comment[1]) :]
    return before + written + after


def _find(text: str, key: str) -> yaml.Node:
    """Return the node of the value at a dotted key."""
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    for name in key.split("."):
        below = {one.value: value for one, value in node.value} if isinstance(node, yaml.MappingNode) else {}
        if name not in below:
            raise SonotraceError(f"{PATH}: {key}: no such parameter; correct the name")
        node = below[name]
    found: yaml.Node = node
    return found


def _written(value: Any, node: yaml.Node) -> str:
    """Write a value as YAML on one line, in the quotes that the old one has."""
    style = node.style if isinstance(value, str) and isinstance(node, yaml.ScalarNode) else None
    if isinstance(value, str) and not value.isprintable():
        style = '"'  # escapes line ends, which other quotes would keep
    text: str = yaml.safe_dump(value, default_style=style, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("...\n").strip()
