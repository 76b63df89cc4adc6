"""The values for real and for drawn images are values that params.yaml has and allows."""

from pathlib import Path

import pytest
import yaml

from sonotrace.own_images import edits, presets
from sonotrace.params import load

SHIPPED = Path(__file__).parents[2] / "params.yaml"
TEXT = SHIPPED.read_text()


def _value(content, key):
    for name in key.split("."):
        content = content[name]
    return content


@pytest.mark.parametrize("kind", ["planes", "structures"])
def test_those_for_drawn_images_are_the_shipped_ones(kind):
    content = yaml.safe_load(TEXT)
    assert {key: _value(content, key) for key in presets.drawn(kind, kind)} == presets.drawn(kind, kind)


@pytest.mark.parametrize("kind", ["planes", "structures"])
def test_those_for_real_images_are_allowed_and_differ(kind, tmp_path):
    text = edits.changed(TEXT, presets.real(kind, kind))
    (tmp_path / "params.yaml").write_text(text)
    assert load(tmp_path / "params.yaml").pull[kind].source == "incoming"
    assert text != TEXT


@pytest.mark.parametrize("kind", ["planes", "structures"])
def test_going_to_real_images_and_back_leaves_the_file_as_it_was(kind):
    real = edits.changed(TEXT, presets.real(kind, kind))
    assert edits.changed(real, presets.drawn(kind, kind)) == TEXT


def test_another_data_set_gets_them_under_its_own_name():
    assert presets.real("second", "planes")["train_cnn.second.epochs"] == 8
    assert presets.drawn("second", "structures")["pull.second.source"] == "phantom"
