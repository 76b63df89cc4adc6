"""Who withdrew is left out, is not named, and needs the key."""

import pytest

from sonotrace.errors import SonotraceError
from sonotrace.patients.pseudonyms import VARIABLE
from sonotrace.patients.pseudonyms import record as record_key
from sonotrace.patients.withdrawals import TABLE, Withdrawals, record


@pytest.fixture
def key(work, monkeypatch):
    """Set a key, with its check value in place."""
    monkeypatch.setenv(VARIABLE, "a key that is long enough for the tests")
    record_key()
    return work


@pytest.mark.usefixtures("key")
def test_the_withdrawn_are_held_and_nobody_else():
    record("00123", "asked to")
    withdrawals = Withdrawals()
    assert withdrawals.hold("00123")
    assert not any(withdrawals.hold(other) for other in ("00124", "123", "", "0012"))


@pytest.mark.usefixtures("key")
def test_the_table_names_nobody_and_stays_sorted():
    for patient in ("00123", "00007", "00999"):
        assert patient not in record(patient, "consent\nwithdrawn")
    text = TABLE.read_text()
    assert not any(patient in text for patient in ("123", "0007", "999"))
    lines = text.splitlines()
    assert lines[0] == "patient,reason"
    assert lines[1:] == sorted(lines[1:])
    assert all(line.endswith(",consent withdrawn") for line in lines[1:])


@pytest.mark.usefixtures("key")
def test_a_withdrawal_is_written_once():
    record("1", "x")
    before = TABLE.read_bytes()
    assert "already" in record("1", "y")
    assert TABLE.read_bytes() == before


@pytest.mark.usefixtures("work")
def test_without_withdrawals_no_key_is_needed(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert not Withdrawals().hold("1")


@pytest.mark.usefixtures("key")
def test_with_withdrawals_a_missing_or_another_key_stops(monkeypatch):
    record("1", "x")
    monkeypatch.setenv(VARIABLE, "another key that is long enough for tests")
    with pytest.raises(SonotraceError, match=r"not the key that data/patient-key\.json was made with"):
        Withdrawals()
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(SonotraceError, match="not set"):
        Withdrawals()


@pytest.mark.parametrize(("patient", "reason"), [("", "x"), (" ", "x"), ("1", " ")])
@pytest.mark.usefixtures("key")
def test_an_empty_patient_or_reason_is_refused(patient, reason):
    with pytest.raises(SonotraceError, match="needs the patient's id"):
        record(patient, reason)


@pytest.mark.usefixtures("work")
def test_a_damaged_or_missing_table_is_named():
    TABLE.write_text("who\n1\n")
    with pytest.raises(SonotraceError, match=r"withdrawn\.csv: columns \['who'\], not patient, reason"):
        Withdrawals()
    TABLE.unlink()
    with pytest.raises(SonotraceError, match=r"withdrawn\.csv: not there; restore it"):
        Withdrawals()
