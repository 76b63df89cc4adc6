"""Values of params.yaml change; comments, order, quotes and all other lines stay."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.errors import SonotraceError
from sonotrace.own_images import edits

TEXT = (Path(__file__).parents[2] / "params.yaml").read_text()


def _keys(content, above=""):
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from _keys(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def _value(content, key):
    for name in key.split("."):
        content = content[name]
    return content


def test_a_value_changes_and_its_comment_stays_in_its_column():
    text = "a:\n  b: 5       # five\n  c: 'x'  # text\n"
    assert edits.changed(text, {"a.b": 12345}) == "a:\n  b: 12345   # five\n  c: 'x'  # text\n"
    assert edits.changed(text, {"a.c": "it's"}) == "a:\n  b: 5       # five\n  c: 'it''s' # text\n"


SMALL = """\
# head
a:            # section
  text: plain # 1
  single: 'x # y'   # 2
  double: "x"       # 3
  number: 1         # 4
  list: [1, 2]      # 5
  map: {a: 1}       # 6
  nothing: null     # 7
b:
  last: true
"""


@given(
    st.sampled_from(["text", "single", "double", "number", "list", "map", "nothing"]),
    st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.booleans(), st.none(), st.lists(st.integers())),
)
def test_any_value_can_take_the_place_of_any_other_and_nothing_else_changes(name, value):
    new = edits.changed(SMALL, {f"a.{name}": value})
    assert yaml.safe_load(new)["a"][name] == value
    pairs = list(zip(SMALL.splitlines(), new.splitlines(), strict=True))
    for old, now in pairs:
        assert now == old or (old.startswith(f"  {name}: ") and now.endswith(f" # {old[-1]}"))


def test_the_same_value_leaves_the_text_as_it_is():
    content = yaml.safe_load(TEXT)
    assert edits.changed(TEXT, {key: _value(content, key) for key in _keys(content)}) == TEXT


def test_line_ends_of_windows_stay():
    assert edits.changed("a: 1  # one\r\nb: 2\r\n", {"a": 3}) == "a: 3  # one\r\nb: 2\r\n"


@pytest.mark.parametrize(
    ("key", "message"),
    [("train_cnn.planes.epoch", "no such parameter"), ("train_cnn.planes", "has values of its own"), ("", "no such")],
)
def test_what_is_no_value_is_refused(key, message):
    with pytest.raises(SonotraceError, match=message):
        edits.changed(TEXT, {key: 1})


def test_a_value_that_another_shares_by_an_anchor_is_not_changed():
    with pytest.raises(SonotraceError, match="by hand"):
        edits.changed("a: &x [1]\nb: *x\n", {"b": [2]})


def test_settings_are_text_where_text_stands_and_yaml_elsewhere():
    pattern = r"^(?P<patient>[^_]+)_: #x"
    settings = [
        f"pull.planes.patient_pattern={pattern}",
        "train_cnn.planes.epochs=3",
        "augment.planes.rotation=[0, 5]",
        "train_yolo.structures.rect=false",
        "split.planes.salt=5",
    ]
    assert list(edits.parsed(TEXT, settings).values()) == [pattern, 3, [0, 5], False, "5"]


@pytest.mark.parametrize("setting", ["train_cnn.planes.epochs", "train_cnn.planes.epoch=3", "augment.planes.copies=[1"])
def test_a_setting_that_cannot_be_read_is_refused(setting):
    with pytest.raises(SonotraceError, match=r"KEY=VALUE|no such parameter|not YAML"):
        edits.parsed(TEXT, [setting])


def test_a_value_that_is_not_allowed_is_found(tmp_path):
    edits.check(TEXT, tmp_path)
    with pytest.raises(SonotraceError, match=r"^params.yaml: train_cnn.planes.epochs is 0: "):
        edits.check(edits.changed(TEXT, {"train_cnn.planes.epochs": 0}), tmp_path)
