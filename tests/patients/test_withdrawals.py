"""Who withdrew is left out, is not named, and needs the key."""

from datetime import date

import pandas as pd
import pytest

from sonotrace.errors import SonotraceError
from sonotrace.patients.pseudonyms import VARIABLE, Pseudonyms
from sonotrace.patients.pseudonyms import record as record_key
from sonotrace.patients.withdrawals import TABLE, Withdrawals, record, undo
from sonotrace.running.outputs import write_csv

DAY = date(2024, 2, 29)
PATIENTS = {"planes": ["00001", "00007", "00123", "00999"], "structures": ["001", "007"]}


@pytest.fixture
def key(work, monkeypatch):
    """Set a key, with its check value in place, and pull both data sets."""
    monkeypatch.setenv(VARIABLE, "a key that is long enough for the tests")
    record_key()
    for data_set, patients in PATIENTS.items():
        write_csv(pd.DataFrame({"patient": [*patients, ""]}), work / "data" / data_set / "pull/manifest.csv")
    return work


@pytest.mark.usefixtures("key")
def test_the_withdrawn_are_held_and_nobody_else():
    record("00123", "asked to", DAY)
    withdrawals = Withdrawals()
    assert withdrawals.hold("00123")
    assert not any(withdrawals.hold(other) for other in ("00124", "123", "", "0012"))


@pytest.mark.usefixtures("key")
def test_the_table_names_nobody_and_stays_sorted():
    for patient in ("00123", "00007", "00999"):
        assert patient not in record(patient, "consent\nwithdrawn", DAY)
    text = TABLE.read_text()
    assert not any(patient in text for patient in ("123", "0007", "999"))
    lines = text.splitlines()
    assert lines[0] == "patient,reason,date"
    assert lines[1:] == sorted(lines[1:])
    assert all(line.endswith(",consent withdrawn,2024-02-29") for line in lines[1:])


@pytest.mark.usefixtures("key")
def test_a_withdrawal_is_written_once():
    record("007", "x", DAY)
    before = TABLE.read_bytes()
    TABLE.with_name("structures").joinpath("pull/manifest.csv").unlink()  # as once `pull` has left the patient out
    assert "there already, of 2024-02-29" in record("007", "y", date(2025, 1, 1))
    assert TABLE.read_bytes() == before


@pytest.mark.usefixtures("work")
def test_without_withdrawals_no_key_is_needed(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert not Withdrawals().hold("1")


@pytest.mark.usefixtures("key")
def test_with_withdrawals_a_missing_or_another_key_stops(monkeypatch):
    record("00001", "x", DAY)
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
        record(patient, reason, DAY)


@pytest.mark.parametrize("patient", ["1", "0001", "00002", "P00001"])
@pytest.mark.usefixtures("key")
def test_an_id_that_nobody_has_is_refused_without_naming_anybody(patient):
    before = TABLE.read_bytes()
    with pytest.raises(SonotraceError, match="no patient pulled now has this id") as caught:
        record(patient, "x", DAY)
    message = str(caught.value)
    assert "(ids here are planes: 5 digits; structures: 3 digits)" in message
    assert "--force" in message
    assert not any(known in message for known in [*PATIENTS["planes"], *PATIENTS["structures"]])
    assert TABLE.read_bytes() == before
    record(patient, "x", DAY, force=True)
    assert Withdrawals().hold(patient)


def test_an_id_of_dicom_files_is_known_by_its_pseudonym(key):
    names = Pseudonyms.from_environment()
    manifest = key / "data/planes/pull/manifest.csv"
    write_csv(pd.DataFrame({"patient": [names.of("patient", "MRN-1")]}), manifest)
    record("MRN-1", "x", DAY)
    with pytest.raises(SonotraceError, match="planes: pseudonyms; give the patient id in the DICOM files"):
        record("MRN-2", "x", DAY)


def test_where_nothing_is_pulled_the_id_cannot_be_checked(key):
    for data_set in PATIENTS:
        (key / "data" / data_set / "pull/manifest.csv").unlink()
    with pytest.raises(SonotraceError, match=r"no data/\*/pull/manifest\.csv here .*--force"):
        record("00001", "x", DAY)


@pytest.mark.usefixtures("key")
def test_a_data_set_of_any_name_counts():
    write_csv(pd.DataFrame({"patient": ["K-7"]}), TABLE.with_name("kenya") / "pull/manifest.csv")
    record("K-7", "x", DAY)
    assert Withdrawals().hold("K-7")


@pytest.mark.usefixtures("key")
def test_a_withdrawal_can_be_undone():
    record("00123", "x", DAY)
    before = TABLE.read_bytes()
    record("00007", "x", DAY)
    undo("00007")
    assert TABLE.read_bytes() == before
    with pytest.raises(SonotraceError, match="no withdrawal of this id"):
        undo("00007")
    undo("00123")
    assert TABLE.read_text() == "patient,reason,date\n"
    assert not Withdrawals().hold("00123")


@pytest.mark.usefixtures("key")
def test_a_table_from_before_there_were_dates_is_read_and_continued():
    record("00123", "x", DAY)
    TABLE.write_text("".join(f"{line.rpartition(',')[0]}\n" for line in TABLE.read_text().splitlines()))
    assert TABLE.read_text().startswith("patient,reason\n")
    assert Withdrawals().hold("00123")
    assert record("00123", "x", DAY).endswith("this withdrawal is there already")
    record("00007", "y", DAY)
    assert {line.rpartition(",")[2] for line in TABLE.read_text().splitlines()} == {"date", "", "2024-02-29"}
    assert Withdrawals().hold("00123")


@pytest.mark.usefixtures("work")
def test_a_damaged_or_missing_table_is_named():
    TABLE.write_text("who\n1\n")
    with pytest.raises(SonotraceError, match=r"withdrawn\.csv: columns \['who'\], not patient, reason, date"):
        Withdrawals()
    TABLE.unlink()
    with pytest.raises(SonotraceError, match=r"withdrawn\.csv: not there; restore it"):
        Withdrawals()


@pytest.mark.parametrize("rows", [b"\xff,a,\n", b"a" * 200_000 + b",b,\n"], ids=["not UTF-8", "a field too long"])
def test_a_table_that_csv_cannot_read_is_an_error_that_names_it(tmp_path, rows):
    (tmp_path / "withdrawn.csv").write_bytes(b"patient,reason,date\n" + rows)
    with pytest.raises(SonotraceError, match=r"withdrawn\.csv: not a CSV table.*restore it with git"):
        Withdrawals(tmp_path / "withdrawn.csv")
