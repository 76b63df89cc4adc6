"""The page of all parameters, from the schema of params.yaml and from the values as shipped."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parents[2]


def write(path: Path) -> None:
    """Write the page."""
    schema = json.loads((TOP / "params.schema.json").read_text(encoding="utf-8"))
    shipped = yaml.safe_load((TOP / "params.yaml").read_text(encoding="utf-8"))
    path.write_text("\n".join(_page(schema, shipped)) + "\n", encoding="utf-8")


def _page(schema: dict[str, Any], shipped: dict[str, Any]) -> Iterator[str]:
    yield "# Parameters"
    yield ""
    yield "All of `params.yaml`. Each stage has a section, and in it one part per data set. The values as shipped"
    yield "are for drawn images; `sonotrace use` sets those for real ones. Editors that know JSON schemas complete"
    yield "and explain the file from `params.schema.json`."
    for section, described in schema["properties"].items():
        yield f"\n## {section}\n"
        if "description" in described:
            yield _sentence(described["description"])
        kinds = _parts(schema, described)
        if kinds is None:
            yield from _table(schema, described, shipped[section])
            continue
        for kind, part in kinds.items():
            yield f"\n### {section}, {kind}\n"
            yield from _table(schema, part, shipped[section].get(kind))


def _parts(schema: dict[str, Any], described: dict[str, Any]) -> dict[str, Any] | None:
    """Return kind -> schema of its part, or None where a section has no parts."""
    if "additionalProperties" not in described or described["additionalProperties"] is False:
        return None
    return {kind: _resolved(schema, part) for kind, part in described["properties"].items()}


def _table(schema: dict[str, Any], part: dict[str, Any], shipped: Any) -> Iterator[str]:
    yield "| key | as shipped | |"
    yield "| --- | --- | --- |"
    for key, described, value in _keys(schema, _resolved(schema, part), shipped, ""):
        said = described.get("description", "")
        choices = described.get("enum", [])
        if choices and "|" not in said:
            said += ": " + " | ".join(str(choice) for choice in choices)
        said = said.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
        yield f"| `{key}` | {'' if value is None else f'`{json.dumps(value)}`'} | {said} |"


def _keys(
    schema: dict[str, Any], part: dict[str, Any], shipped: Any, before: str
) -> Iterator[tuple[str, dict[str, Any], Any]]:
    for key, given in part.get("properties", {}).items():
        described = _resolved(schema, given)
        value = shipped.get(key) if isinstance(shipped, dict) else None
        if "properties" in described:
            yield from _keys(schema, described, value, f"{before}{key}.")
        else:
            yield f"{before}{key}", described, value


def _resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in part:
        found = schema["$defs"][part["$ref"].removeprefix("#/$defs/")]
        return found | {key: value for key, value in part.items() if key != "$ref"}
    return part


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith((".", ":")) else ".")
