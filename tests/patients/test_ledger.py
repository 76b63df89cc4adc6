"""Test patients stay in the ledger, and without the key nobody can name them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.errors import SonotraceError
from sonotrace.patients.ledger import COLUMNS, Entry, Names, carried_on, leaving, parse, text_of, under_key, united
from sonotrace.patients.pseudonyms import VARIABLE, Pseudonyms, record

KEY = "5f2d8c1e" * 8
PATH = Path("reports/planes/test_patients.csv")
PLAIN = Names("planes", "real", None)
KEYED = Names("planes", "real", Pseudonyms(KEY))
PHANTOM = Names("planes", "phantom", None)

patients = st.text("0123456789", min_size=1, max_size=2)
splits = st.dictionaries(patients, st.sampled_from(["train", "val", "test"]), max_size=12)
ledgers = st.dictionaries(
    st.text("0123456789abcdef", min_size=1, max_size=3),
    st.builds(
        Entry,
        st.sampled_from(["keyed", "plain"]),
        st.sampled_from(["phantom", "real"]),
        st.sampled_from(["held", "released"]),
    ),
    max_size=8,
)


def _after(history, names):
    """Return the ledger after a run of splits, each of them confirmed."""
    ledger = {}
    for sides in history:
        ledger = carried_on(united(ledger, {}, sides, names), sides, names)
    return ledger


def _held(history):
    """Return who is held after these splits, told by the patients' own ids."""
    held = set()
    for sides in history:
        held -= set(sides)
        held |= {patient for patient, side in sides.items() if side == "test"}
    return held


@pytest.mark.parametrize("names", [PLAIN, KEYED, PHANTOM], ids=["plain", "keyed", "phantom"])
@given(history=st.lists(splits, max_size=4), now=splits)
def test_every_held_patient_who_would_leave_the_test_side_is_counted(names, history, now):
    moved = leaving(_after(history, names), now, names)
    assert len(moved) == sum(now.get(patient, "test") != "test" for patient in _held(history))


@given(st.lists(splits, max_size=5), st.integers(0, 5))
def test_a_ledger_only_grows(history, at):
    assert set(_after(history[:at], PLAIN)) <= set(_after(history, PLAIN))
    tested = {patient for sides in history for patient, side in sides.items() if side == "test"}
    assert set(_after(history, PLAIN)) == {PLAIN.of(patient) for patient in tested}


@given(st.lists(splits, max_size=3), splits)
def test_the_same_split_again_changes_nothing(history, now):
    once = _after([*history, now], PLAIN)
    assert carried_on(once, now, PLAIN) == once
    assert not leaving(once, now, PLAIN)


@given(st.lists(splits, min_size=1, max_size=3), splits)
def test_what_was_recorded_before_there_was_a_key_still_counts(history, now):
    before = _after(history, PLAIN)
    ledger = united(before, before, now, KEYED)
    assert len(leaving(ledger, now, KEYED)) == sum(now.get(patient, "test") != "test" for patient in _held(history))
    assert not {PLAIN.of(patient) for patient in now} & set(ledger)
    absent = {name: entry for name, entry in before.items() if name not in {PLAIN.of(patient) for patient in now}}
    assert absent.items() <= ledger.items()
    assert len(ledger) == len(before)


@given(splits, splits)
def test_a_released_patient_is_not_held_again_by_the_last_commits_plain_row(first, now):
    committed = _after([first], PLAIN)
    released = carried_on(united(committed, committed, now, KEYED), now, KEYED)
    again = united(released, committed, now, KEYED)
    assert not leaving(again, now, KEYED)
    assert carried_on(again, now, KEYED) == released


@given(ledgers, ledgers)
def test_rows_of_the_last_commit_alone_are_taken_up_and_the_workspaces_count(workspace, committed):
    assert united(workspace, committed, [], KEYED) == committed | workspace


@given(ledgers)
def test_a_ledger_reads_as_it_was_written(ledger):
    assert parse(text_of(ledger), PATH) == ledger
    assert text_of(dict(reversed(ledger.items()))) == text_of(ledger)


@given(ledgers, ledgers)
def test_lines_of_two_branches_in_one_file_are_the_ledger_of_both(ours, theirs):
    merged = parse(text_of(ours) + text_of(theirs), PATH)
    assert set(merged) == {*ours, *theirs}
    for patient, entry in merged.items():
        states = {ledger[patient].state for ledger in (ours, theirs) if patient in ledger}
        assert entry.state == ("held" if "held" in states else "released")


@given(splits, splits)
def test_drawn_patients_and_people_with_the_same_numbers_do_not_meet(drawn, real):
    ledger = _after([drawn], PHANTOM)
    assert not leaving(ledger, real, PLAIN)
    assert not leaving(_after([real], PLAIN), drawn, PHANTOM)


def test_data_sets_and_keys_have_pseudonyms_of_their_own():
    """Written down here, since a change would make every ledger forget."""
    assert PLAIN.of("00123") == "a7330bb315e3ed306c16"
    assert KEYED.of("00123") == "40e65659caee7809f370"
    others = [Names(data_set, people, None) for data_set in ("planes", "structures") for people in ("real", "phantom")]
    names = {name.of("00123") for name in [*others, KEYED, Names("structures", "real", Pseudonyms(KEY))]}
    assert len(names) == 6
    assert KEYED.of("00123") != Pseudonyms(KEY).of("patient", "00123")


def test_a_recorded_key_is_used_for_people_and_asked_for(tmp_path, monkeypatch):
    check = tmp_path / "patient-key.json"
    assert Names.for_source("planes", "incoming", check).key is None
    monkeypatch.setenv(VARIABLE, KEY)
    record(check)
    assert Names.for_source("planes", "zenodo", check).of("7") == KEYED.of("7")
    assert Names.for_source("planes", "phantom", check) == PHANTOM
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(SonotraceError, match=f"^{VARIABLE}: not set, but .*ledger of test patients need it"):
        Names.for_source("planes", "incoming", check)
    assert Names.for_source("planes", "phantom", check) == PHANTOM


def test_a_key_that_is_no_longer_recorded_stops():
    keyed = _after([{"7": "test"}], KEYED)
    for workspace, committed in ((keyed, {}), ({}, keyed)):
        with pytest.raises(SonotraceError, match=r"^data/patient-key\.json: no patient key is recorded"):
            united(workspace, committed, ["7"], PLAIN)
        assert united(workspace, committed, ["7"], PHANTOM) == keyed


def test_a_key_leaves_no_row_of_a_patient_at_hand_that_can_be_brute_forced():
    ledger = under_key(_after([{"7": "test", "8": "test"}], PLAIN), ["7"], KEYED)
    assert ledger == {KEYED.of("7"): Entry("keyed", "real", "held"), PLAIN.of("8"): Entry("plain", "real", "held")}


@pytest.mark.parametrize(
    "line", ["a,plain,real", "a,plain,real,gone", "<<<<<<< HEAD", "a,none,real,held", "a,plain,x,held"]
)
def test_a_line_of_something_else_is_named(line):
    with pytest.raises(SonotraceError) as caught:
        parse(f"{','.join(COLUMNS)}\nb,plain,real,held\n{line}\n", PATH)
    assert str(caught.value).startswith(f"{PATH}:3: no row of patient, hash, people, state; restore")


def test_a_ledger_that_csv_cannot_read_is_an_error_that_names_it():
    with pytest.raises(SonotraceError, match=r"test_patients\.csv: not a CSV table.*restore the file with git"):
        parse(",".join(COLUMNS) + "\n" + "a" * 200_000, PATH)


def test_line_ends_of_other_systems_are_read():
    row = "0" * 20 + ",keyed,real,held"
    assert parse(f"{','.join(COLUMNS)}\r{row}\r", PATH) == parse(f"{','.join(COLUMNS)}\n{row}\n", PATH)
