"""A JSON schema of `params.yaml`, with which editors complete, explain and check it.

`python -m sonotrace.params.schema` writes it, in the top folder of a checkout. Types and limits come from the
models of the sections; the descriptions are the comments in `params.yaml`, where every value is explained once, but
for kinds of data set that the file does not have: their models describe what differs.
What spans several values, such as fractions that add up to 1, and patterns are checked by `load` alone.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sonotrace.params import NAME, NAMING, PATH, SECTIONS, WHOLE, load
from sonotrace.running.outputs import write_bytes

SCHEMA = Path("params.schema.json")

Comments = dict[tuple[str, ...], str]
"""Path of keys -> the comment on that line of params.yaml, and on the lines below it that continue it."""

_COMMENT = re.compile(r"""(?:'[^']*'|"[^"]*"|[^'"#]|(?<=\S)\#)*\#\s?(.*)$""")


def write() -> None:
    """Write the schema of the models here, with the comments of `params.yaml`."""
    write_bytes(text(PATH).encode(), SCHEMA)


def text(path: Path) -> str:
    """Return the schema as the file holds it, with the comments of the params.yaml at `path`."""
    return json.dumps(schema(path), indent=2, ensure_ascii=False) + "\n"


def schema(path: Path) -> dict[str, Any]:
    """Return the schema, with the comments of the params.yaml at `path`."""
    kinds = {name: one.kind for name, one in load(path).pull.items()}
    remarks = comments(path.read_text(encoding="utf-8"))
    definitions: dict[str, Any] = {}
    sections: dict[str, Any] = {}
    for section, parts in SECTIONS.items():
        for kind, part in parts.items():
            made = part.model_json_schema()
            inner = made.pop("$defs", {})
            _describe(made, inner, list(_remarks(section, kind, kinds, remarks)))
            definitions[f"{section}.{kind}"] = _tidied(_inlined(made, inner))
        if section in NAMING:
            name, _ = NAMING[section]
            sections[name] = _whole(name, remarks)
        references = {kind: {"$ref": f"#/$defs/{section}.{kind}"} for kind in parts}
        sections[section] = {
            "description": remarks[section,],
            "type": "object",
            "properties": references,
            "propertyNames": {"pattern": NAME},
            "additionalProperties": {"anyOf": list(references.values())},
        }
    sections["report"] = _whole("report", remarks)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Parameters of sonotrace",
        "type": "object",
        "properties": sections,
        "required": list(sections),
        "additionalProperties": False,
        "$defs": definitions,
    }


def _whole(section: str, remarks: Comments) -> dict[str, Any]:
    """Return the schema of a section without a part for each data set."""
    made = WHOLE[section].model_json_schema()
    _describe(made, {}, [{keys[1:]: said for keys, said in remarks.items() if keys[0] == section}])
    tidied: dict[str, Any] = _tidied(made)
    return tidied | {"description": remarks[section,]}


def comments(content: str) -> Comments:
    """Return the comment of each key; a comment alone on its line continues that of the key above it."""
    lines = content.splitlines()
    found: dict[tuple[str, ...], list[str]] = {}
    at_line = {line: keys for keys, line in _lines(yaml.compose(content, Loader=yaml.SafeLoader), ())}
    current: tuple[str, ...] = ()
    for number, line in enumerate(lines):
        current = at_line.get(number, current) if line.strip() else ()
        comment = _COMMENT.match(line)
        if comment and current:
            found.setdefault(current, []).append(comment[1].strip())
    return {keys: " ".join(said) for keys, said in found.items()}


def _lines(node: yaml.Node | None, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the path of each key and its line, from 0; of several keys on one line the outermost."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*above, key.value)
            yield from ((keys, line) for keys, line in _lines(value, here) if line != key.start_mark.line)
            yield here, key.start_mark.line


def _remarks(section: str, kind: str, kinds: Mapping[str, str], remarks: Comments) -> Iterator[Comments]:
    """Yield the comments in a section on each data set, those of the kind first, with paths below the data set."""
    for data_set in sorted(kinds, key=lambda name: kinds[name] != kind):
        head = (section, data_set)
        yield {keys[2:]: said for keys, said in remarks.items() if keys[:2] == head}


def _describe(
    made: dict[str, Any], inner: dict[str, Any], remarks: list[Comments], above: tuple[str, ...] = ()
) -> None:
    """Put the first comment there is on each value, and on those below it, into a model's schema."""
    for name, value in made.get("properties", {}).items():
        here = (*above, name)
        said = value.get("description") or next((some[here] for some in remarks if here in some), "")
        if said:
            value["description"] = said
        reference = value.get("$ref", "").removeprefix("#/$defs/")
        if reference:
            _describe(inner[reference], inner, remarks, here)


def _inlined(made: Any, inner: dict[str, Any]) -> Any:
    """Put the models that a model is made of in the places that refer to them."""
    if isinstance(made, list):
        return [_inlined(one, inner) for one in made]
    if not isinstance(made, dict):
        return made
    reference = made.get("$ref", "").removeprefix("#/$defs/")
    whole = inner[reference] | {key: value for key, value in made.items() if key != "$ref"} if reference else made
    return {key: _inlined(value, inner) for key, value in whole.items()}


def _tidied(made: Any) -> Any:
    """Leave out the titles that pydantic makes of the names."""
    if isinstance(made, list):
        return [_tidied(one) for one in made]
    if not isinstance(made, dict):
        return made
    return {key: _tidied(value) for key, value in made.items() if key != "title" or not isinstance(value, str)}


if __name__ == "__main__":
    write()
