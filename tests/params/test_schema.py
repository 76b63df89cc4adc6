"""The schema that editors read says what the models say, in the words of params.yaml."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from sonotrace.params import SECTIONS, schema

TOP = Path(__file__).parents[2]
SHIPPED = TOP / "params.yaml"
COMMITTED = json.loads((TOP / schema.SCHEMA).read_text())


def _changed(key, value):
    content = yaml.safe_load(SHIPPED.read_text())
    *parents, last = key.split(".")
    place = content
    for parent in parents:
        place = place[parent]
    place[last] = value
    return content


def _refuses(content):
    return not jsonschema.Draft202012Validator(COMMITTED).is_valid(content)


def _properties(made, above=""):
    for name, value in made.get("properties", {}).items():
        yield f"{above}.{name}", value
        yield from _properties(value, f"{above}.{name}")


def test_the_committed_file_is_what_the_models_give():
    assert (TOP / schema.SCHEMA).read_text() == schema.text(SHIPPED), "run `make schema`"


def test_it_is_a_schema_and_the_shipped_parameters_fit():
    jsonschema.Draft202012Validator.check_schema(COMMITTED)
    assert not _refuses(yaml.safe_load(SHIPPED.read_text()))


def test_the_shipped_file_names_it_to_editors():
    assert SHIPPED.read_text().splitlines()[0] == f"# yaml-language-server: $schema={schema.SCHEMA}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train_cnn.planes.epochs", 0),
        ("train_cnn.planes.epochs", "ten"),
        ("train_cnn.planes.epoch", 10),
        ("train_cnn.planes.device", "tpu"),
        ("train_yolo.structures.imgsz", 300),
        ("pull.structures.source", "zenodo"),
        ("pull.planes.incoming.dicom.frames", "last"),
        ("split.planes.fractions.test", 1.5),
        ("training", {}),
        ("train_cnn.Planes", {}),
    ],
)
def test_a_wrong_value_or_name_does_not_fit(key, value):
    assert _refuses(_changed(key, value))


@pytest.mark.parametrize("kind", ["planes", "structures"])
def test_further_data_sets_of_either_kind_fit(kind):
    content = yaml.safe_load(SHIPPED.read_text())
    for parts in content.values():
        if kind in parts:
            parts["second"] = parts[kind]
    assert not _refuses(content)
    content["split"]["second"] = {"salt": 1}
    assert _refuses(content)


def test_every_value_of_either_kind_is_described():
    for name, made in COMMITTED["$defs"].items():
        undescribed = [key for key, value in _properties(made) if not value.get("description")]
        assert [key for key in undescribed if not re.search(r"fractions\.\w+$", key)] == [], name
    assert set(COMMITTED["$defs"]) == {f"{section}.{kind}" for section, parts in SECTIONS.items() for kind in parts}


def test_comments_belong_to_their_key_also_over_several_lines():
    found = schema.comments("# head\na:  # first\n  b: 'x # y'  # second\n     # and more\n\n  # alone\n  c: {d: 1}\n")
    assert found == {("a",): "first", ("a", "b"): "second and more"}


def test_the_comment_of_the_own_kind_comes_first():
    made = schema.schema(SHIPPED)["$defs"]
    assert (
        made["augment.structures"]["properties"]["rotation"]["description"] == "degrees, either way; published: 5 to 10"
    )
    assert made["augment.structures"]["properties"]["flip"]["description"].startswith("probability")
