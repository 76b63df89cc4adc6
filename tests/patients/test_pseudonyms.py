"""Pseudonyms are the same in every snapshot and reveal nothing, and a different key is refused."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.errors import SonotraceError
from sonotrace.patients.pseudonyms import VARIABLE, Pseudonyms, record

KEY = "5f2d8c1e" * 8
OTHER = "5f2d8c1f" * 8


@pytest.fixture(autouse=True)
def key(monkeypatch):
    """Set the key in the environment; None takes it out."""

    def change(value):
        if value is None:
            monkeypatch.delenv(VARIABLE, raising=False)
        else:
            monkeypatch.setenv(VARIABLE, value)

    change(KEY)
    return change


@pytest.fixture
def check(tmp_path):
    return tmp_path / "data" / "patient-key.json"


def _refused(action, *words):
    with pytest.raises(SonotraceError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    assert not any(key[:8] in message for key in (KEY, OTHER))
    for word in words:
        assert word in message


def test_a_pseudonym_stays_the_same_for_good():
    """Written down here, since a change would rename every patient of every snapshot."""
    assert Pseudonyms(KEY).of("patient", "P-1") == "88cc8356d32ff78d4f71"
    assert Pseudonyms(KEY).check_value() == "6fc297d8d17b50a490ef9e2ffbaaf1d6c08fa03e6ef36456ac159b3266bdc568"


@given(st.text(), st.text())
def test_pseudonyms_are_short_hex_and_apart_for_apart_values(one, other):
    names = Pseudonyms(KEY)
    assert re.fullmatch("[0-9a-f]{20}", names.of("patient", one))
    assert (names.of("patient", one) == names.of("patient", other)) == (one.strip(" \0") == other.strip(" \0"))


def test_padding_does_not_count_and_case_does():
    names = Pseudonyms(KEY)
    assert names.of("patient", " a-1 \0") == names.of("patient", "a-1")
    assert names.of("patient", "A-1") != names.of("patient", "a-1")
    assert names.of("patient", "a 1") != names.of("patient", "a1")


def test_kinds_and_keys_have_names_of_their_own():
    names = {Pseudonyms(key).of(kind, "P-1") for key in (KEY, OTHER) for kind in ("patient", "image", "file", "check")}
    assert len(names) == 8
    assert Pseudonyms(KEY).of("patient", "image") != Pseudonyms(KEY).of("image", "patient")


def test_the_check_value_is_the_start_of_no_pseudonym():
    names = Pseudonyms(KEY)
    start = names.check_value()[:20]
    assert start not in {names.of(kind, "patient key") for kind in ("sonotrace", "check", "patient", "")}


def test_a_recorded_key_is_taken(key, check):
    assert "commit it" in record(check)
    assert Pseudonyms.from_environment(check).of("patient", "P-1") == Pseudonyms(KEY).of("patient", "P-1")
    key(f" {KEY}\n")
    assert Pseudonyms.from_environment(check).of("patient", "P-1") == Pseudonyms(KEY).of("patient", "P-1")


def test_another_key_is_refused_and_the_check_value_stays(key, check):
    record(check)
    before = check.read_bytes()
    key(OTHER)
    _refused(lambda: Pseudonyms.from_environment(check), VARIABLE, str(check), "not the key")
    _refused(lambda: record(check), VARIABLE, str(check), "not the key")
    assert check.read_bytes() == before


def test_a_key_can_be_recorded_twice(check):
    record(check)
    before = check.read_bytes()
    assert "already" in record(check)
    assert check.read_bytes() == before


@pytest.mark.parametrize("content", [None, "{}", '{"check": null}', '{"check": ""}'])
def test_without_a_check_value_no_key_is_taken_but_one_can_be_recorded(check, content):
    if content is not None:
        check.parent.mkdir()
        check.write_text(content)
    _refused(lambda: Pseudonyms.from_environment(check), str(check), "sonotrace patient-key")
    record(check)
    Pseudonyms.from_environment(check)


@pytest.mark.parametrize("content", [b"", b"<<<<<<< HEAD", b"[]", b'{"check": 3}', b'{"check": "\xc3\xa9"}', b"\xff"])
def test_a_damaged_check_file_is_named_and_kept(check, content):
    check.parent.mkdir()
    check.write_bytes(content)
    _refused(lambda: Pseudonyms.from_environment(check), str(check), "restore")
    _refused(lambda: record(check), str(check), "restore")
    assert check.read_bytes() == content


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_key_is_said_with_the_way_to_make_one(key, check, value):
    key(value)
    for action in (lambda: Pseudonyms.from_environment(check), lambda: record(check)):
        _refused(action, VARIABLE, "secrets.token_hex(32)")
    assert not check.exists()


@pytest.mark.parametrize("length", [1, 31])
def test_a_short_key_is_refused(key, check, length):
    key(KEY[:length])
    for action in (lambda: Pseudonyms.from_environment(check), lambda: record(check)):
        _refused(action, VARIABLE, f"{length} characters", "secrets.token_hex(32)")
    assert not check.exists()
    key(KEY[:32])
    record(check)


def test_the_key_is_in_no_text_and_no_file(check, tmp_path, capfd):
    said = record(check) + record(check)
    names = Pseudonyms.from_environment(check)
    said += f"{names!r} {names} {names.of('patient', KEY)} {names.check_value()}"
    said += "".join(capfd.readouterr())
    assert KEY[:8] not in said
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [check]
    assert json.loads(check.read_text()).keys() == {"check"}
    assert KEY[:8] not in check.read_text()
