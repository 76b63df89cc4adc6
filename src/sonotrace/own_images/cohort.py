"""Add a cohort to `params.yaml`: a data set that a model is measured on, and that nothing is trained on."""

import copy
import re
from typing import Any

import yaml

from sonotrace.errors import SonotraceError
from sonotrace.params import PATH

SECTIONS = ("pull", "validate", "split", "prepare", "evaluate")
"""Those in which a cohort has a part."""

_CONTINUED = re.compile(r"[ \t]+#")
"""A line that goes on with the comment of the line above."""


def added(text: str, data_set: str, trained_on: str) -> str:
    """Return the text of params.yaml with a cohort to measure the model of `trained_on` on; the rest stays as it is.

    Its values are those of `trained_on`, so it is prepared as the model needs it, but everybody is tested on.
    Raises SonotraceError where the data set is there already, or no model is trained on `trained_on`.
    """
    content = yaml.safe_load(text)
    if data_set in content["pull"]:
        raise SonotraceError(f"{PATH}: pull.{data_set}: is there already; leave out --cohort to bring its images in")
    if trained_on not in {**content["train_cnn"], **content["train_yolo"]}:
        raise SonotraceError(
            f"--cohort {trained_on}: no model is trained on it; name a data set of train_cnn or train_yolo"
        )
    wanted = copy.deepcopy(content)
    for section in SECTIONS:
        part = copy.deepcopy(content[section][trained_on]) | _differing(section)
        wanted[section][data_set] = part
        text = _with_part(text, section, data_set, part)
    if yaml.safe_load(text) != wanted:
        raise SonotraceError(f"{PATH}: values that share an anchor; add {data_set} by hand as docs/cohorts.md shows")
    return text


def _differing(section: str) -> dict[str, Any]:
    """Return what a cohort has of its own."""
    if section == "split":
        fractions = {"train": 0, "val": 0, "test": 1}
        return {"use_official": False, "fractions": fractions, "test_patients_may_move": False}
    return {"source": "incoming"} if section == "pull" else {}


def _with_part(text: str, section: str, data_set: str, part: dict[str, Any]) -> str:
    """Add a part at the end of a section, below the comments there."""
    lines = text.splitlines(keepends=True)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    parts = next(value for key, value in root.value if key.value == section)
    if parts.flow_style:
        raise SonotraceError(
            f"{PATH}: {section} is not in block style; add {data_set} to it by hand as docs/cohorts.md shows"
        )
    at = _last_line(parts) + 1
    while at < len(lines) and _CONTINUED.match(lines[at]):
        at += 1
    written = yaml.safe_dump(
        {data_set: part}, sort_keys=False, default_flow_style=None, width=10**6, allow_unicode=True
    )
    block = [f"  {line}\n" for line in written.splitlines()]
    if lines and not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    return "".join([*lines[:at], *block, *lines[at:]])


def _last_line(node: yaml.Node) -> int:
    """Return the line, from 0, on which a value ends; a block ends with its last value, not at the next key."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.line)
