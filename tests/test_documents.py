"""Whatever is wrong with YAML or JSON is a ValueError of one line; it never crashes the process or fills the memory."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.documents import YamlError, read_json, read_yaml, tracked_outs
from sonotrace.errors import SonotraceError

BOMB = "a: &a [1, 1]\n" + "".join(
    f"{later}: &{later} [{', '.join([f'*{one}'] * 9)}]\n" for one, later in zip("abcdefgh", "bcdefghi", strict=True)
)
WRONG = {
    "an impossible date": "a: 2001-99-99",
    "a tagged date that is none": "a: !!timestamp x",
    "a tagged truth that is none": "a: !!bool x",
    "an empty integer": "a: !!int ''",
    "an empty float": "a: !!float ''",
    "too many digits": f"a: {'1' * 5000}",
    "a key that cannot be hashed": "? [a]\n: 1\n? {b: c}\n: 2",
    "half a character": r'a: "\ud800"',
    "a character YAML forbids": "a: \x00",
    "aliases without measure": BOMB,
    "a list in itself": "&a [*a]",
    "not closed": "a: [",
    "two documents": "a\n--- b",
}
DEEP = {"lists": "[" * 100_000, "mappings": "{a: " * 100_000, "blocks": "- " * 100_000, "keys": "? " * 100_000}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("loader", [yaml.CSafeLoader, yaml.SafeLoader])
def test_yaml_that_cannot_be_used_is_one_kind_of_error(text, loader):
    if text == WRONG["half a character"] and loader is yaml.SafeLoader:
        pytest.skip("params.yaml, the only file read with this loader, has its own check")
    with pytest.raises(YamlError) as caught:
        read_yaml(text, loader)
    assert str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_yaml_that_would_crash_the_process_is_refused(text):
    with pytest.raises(YamlError, match="too deeply"):
        read_yaml(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda one: st.lists(one) | st.dictionaries(st.text(), one),
        max_leaves=20,
    )
)
def test_valid_documents_are_read_as_written(value):
    assert read_yaml(yaml.safe_dump(value)) == value
    assert read_json(json.dumps(value)) == value


def test_aliases_that_expand_to_little_are_followed():
    assert read_yaml("a: &a [1, 2]\nb: {<<: {c: 3}, d: *a}") == {"a": [1, 2], "b": {"c": 3, "d": [1, 2]}}


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a": "\\ud800"}', b"", b"\xff", b'{"a": ' + b"1" * 5000 + b"}"])
def test_json_that_cannot_be_used_is_one_kind_of_error(content):
    with pytest.raises(ValueError, match=r"\S"):
        read_json(content)


def test_a_pair_of_surrogates_is_one_character():
    assert read_json(rb'["\ud83d\ude00"]') == ["😀"]


def test_the_entries_of_a_dvc_file_are_those_under_outs(tmp_path):
    (tmp_path / "a.dvc").write_text("outs:\n- md5: x.dir\n  path: a\n  push: false\n")
    assert tracked_outs(tmp_path / "a.dvc") == [{"md5": "x.dir", "path": "a", "push": False}]


@pytest.mark.parametrize(
    "content", [b"", b"outs:\n", b"outs: [a]", b"x: 1", b"[", b"- outs", b"\xff", b"a: 2001-99-99"]
)
def test_anything_else_is_not_a_dvc_file(tmp_path, content):
    (tmp_path / "a.dvc").write_bytes(content)
    with pytest.raises(SonotraceError, match=r"a\.dvc: not a file of DVC; restore it with git"):
        tracked_outs(tmp_path / "a.dvc")
