"""Patients who withdrew: known by a keyed hash, in git, and left out by pull from then on.

A patient number can be enumerated, so that a plain hash would hide nothing; the key is that of
`pseudonyms`.
"""

import csv
from pathlib import Path

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.patients.pseudonyms import Pseudonyms
from sonotrace.places import DATA
from sonotrace.running.outputs import write_csv
from sonotrace.tables import read_table

TABLE = Path("data/withdrawn.csv")
"""One row a withdrawal: `patient` (a keyed hash) and `reason`."""

COLUMNS = ["patient", "reason"]


class Withdrawals:
    """The withdrawals of a table; without any, no key is needed."""

    def __init__(self, table: Path = TABLE) -> None:
        """Read the table; raises SonotraceError where it is none, or the key is missing or another."""
        self._hashes = {row["patient"] for row in _rows(table)}
        self._pseudonyms = Pseudonyms.from_environment() if self._hashes else None

    def hold(self, patient: str) -> bool:
        """Say whether this patient, by the id that the data set has, withdrew."""
        return bool(self._pseudonyms and patient and self.hold_hash(self._pseudonyms.of("withdrawn", patient)))

    def hold_hash(self, hashed: str) -> bool:
        """Say whether the patient of this keyed hash, of the kind `withdrawn`, withdrew."""
        return hashed in self._hashes


def record(patient: str, reason: str, table: Path = TABLE) -> str:
    """Write a withdrawal down, once; return a sentence for people that does not name the patient.

    Raises SonotraceError where patient or reason are empty, or the key is missing or another.
    """
    if not patient.strip() or not reason.strip():
        raise SonotraceError("withdraw: needs the patient's id as the data set has it, and --reason with a text")
    hashed = Pseudonyms.from_environment().of("withdrawn", patient)
    rows = _rows(table)
    if any(row["patient"] == hashed for row in rows):
        return f"{table}: this withdrawal stands there already"
    rows.append({"patient": hashed, "reason": " ".join(reason.split())})
    write_csv(pd.DataFrame(rows, columns=COLUMNS).sort_values("patient"), table)
    return f"{table}: withdrawal written; commit it, then `dvc repro`; docs/withdrawal.md says what else to delete"


def is_pulled(patient: str) -> bool:
    """Say whether the data pulled now hold this patient, by the id or, from DICOM files, by its pseudonym."""
    names = {patient, Pseudonyms.from_environment().of("patient", patient)}
    manifests = sorted(DATA.glob("*/pull/manifest.csv"))
    return any(names & set(read_table(manifest)["patient"]) for manifest in manifests if manifest.is_file())


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            if reader.fieldnames != COLUMNS:
                raise SonotraceError(
                    f"{table}: columns {reader.fieldnames}, not {', '.join(COLUMNS)}; restore it with git"
                )
            return list(reader)
    except FileNotFoundError:
        raise SonotraceError(f"{table}: not there; restore it with git") from None
