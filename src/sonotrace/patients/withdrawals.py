"""Patients who withdrew: known by a keyed hash, in git, and left out by pull from then on.

Patient numbers can be brute-forced from plain hashes, hence the key, which is that of `pseudonyms`.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.patients.pseudonyms import LENGTH, Pseudonyms
from sonotrace.places import DATA
from sonotrace.running.outputs import write_csv
from sonotrace.tables import read_table

TABLE = Path("data/withdrawn.csv")
"""One row per withdrawal: `patient` (a keyed hash), `reason` and `date` (ISO 8601; older rows have none)."""

COLUMNS = ["patient", "reason", "date"]
_WITHOUT_DATE = COLUMNS[:2]
"""The columns of older tables."""


@dataclass(frozen=True)
class Withdrawal:
    """One row of the table."""

    patient: str
    reason: str
    date: str


class Withdrawals:
    """The withdrawals of a table; without any, no key is needed."""

    def __init__(self, table: Path = TABLE) -> None:
        """Read the table; raises SonotraceError where it is none, or the key is missing or another."""
        self._hashes = {row.patient for row in _rows(table)}
        self._pseudonyms = Pseudonyms.from_environment() if self._hashes else None

    def hold(self, patient: str) -> bool:
        """Say whether this patient, by the id that the data set has, withdrew."""
        return bool(self._pseudonyms and patient and self.hold_hash(self._pseudonyms.of("withdrawn", patient)))

    def hold_hash(self, hashed: str) -> bool:
        """Say whether the patient of this keyed hash, of the kind `withdrawn`, withdrew."""
        return hashed in self._hashes


def record(patient: str, reason: str, day: date, *, force: bool = False, table: Path = TABLE) -> str:
    """Add a withdrawal to the table, once; return a sentence for people that does not name the patient.

    Raises SonotraceError where patient or reason are empty, the key is missing or another, or, without
    `force`, no patient pulled now has this id.
    """
    if not patient.strip() or not reason.strip():
        raise SonotraceError("withdraw: needs the patient's id as the data set has it, and --reason with a text")
    hashed = _hash(patient)
    rows = _rows(table)
    for row in rows:
        if row.patient == hashed:
            return f"{table}: this withdrawal is there already{f', of {row.date}' if row.date else ''}"
    if not force:
        _require_known(patient, pulled())
    rows.append(Withdrawal(hashed, " ".join(reason.split()), day.isoformat()))
    _write(rows, table)
    return f"{table}: withdrawal written; commit it, then `dvc repro`; docs/withdrawal.md says what else to delete"


def undo(patient: str, table: Path = TABLE) -> str:
    """Take a withdrawal out of the table; return a sentence for people that does not name the patient.

    Raises SonotraceError where the table has no withdrawal of this id, or the key is missing or another.
    """
    hashed = _hash(patient)
    rows = _rows(table)
    left = [row for row in rows if row.patient != hashed]
    if len(left) == len(rows):
        raise SonotraceError(f"{table}: no withdrawal of this id; give the id with which it was recorded")
    _write(left, table)
    return f"{table}: withdrawal taken out; commit it, then `dvc repro`"


def pulled(data: Path = DATA) -> dict[str, set[str]]:
    """Return data set -> the ids of its patients, of all data sets that are pulled now."""
    return {
        manifest.parts[-3]: set(read_table(manifest)["patient"]) - {""}
        for manifest in sorted(data.glob("*/pull/manifest.csv"))
    }


def _require_known(patient: str, known: Mapping[str, set[str]]) -> None:
    """Raise SonotraceError unless a data set has this id or, from DICOM files, its pseudonym."""
    names = {patient.strip(), Pseudonyms.from_environment().of("patient", patient)}
    if any(names & ids for ids in known.values()):
        return
    if not known:
        raise SonotraceError(
            f"withdraw: no {DATA}/*/pull/manifest.csv here to check the id against; run `dvc repro pull` first, "
            "or record it unchecked with --force"
        )
    forms = "; ".join(f"{data_set}: {_form(ids)}" for data_set, ids in known.items() if ids) or "none"
    raise SonotraceError(
        f"withdraw: no patient pulled now has this id (ids here are {forms}); "
        "correct it, or, if the patient is in other snapshots only, add --force"
    )


def _form(ids: Iterable[str]) -> str:
    """Say what ids look like, without naming a patient."""
    lengths = sorted({len(name) for name in ids})
    if all(re.fullmatch(f"[0-9a-f]{{{LENGTH}}}", name) for name in ids):
        return "pseudonyms; give the patient id in the DICOM files"
    kind = "digits" if all(name.isdecimal() for name in ids) else "characters"
    return f"{lengths[0]} {kind}" if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]} {kind}"


def _hash(patient: str) -> str:
    return Pseudonyms.from_environment().of("withdrawn", patient)


def _rows(table: Path) -> list[Withdrawal]:
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            if reader.fieldnames not in (COLUMNS, _WITHOUT_DATE):
                raise SonotraceError(
                    f"{table}: columns {reader.fieldnames}, not {', '.join(COLUMNS)}; restore it with git"
                )
            return [Withdrawal(row["patient"], row["reason"], row.get("date") or "") for row in reader]
    except FileNotFoundError:
        raise SonotraceError(f"{table}: not there; restore it with git") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SonotraceError(f"{table}: not a CSV table in UTF-8 ({error}); restore it with git") from None


def _write(rows: Iterable[Withdrawal], table: Path) -> None:
    write_csv(pd.DataFrame([asdict(row) for row in rows], columns=COLUMNS).sort_values("patient"), table)
