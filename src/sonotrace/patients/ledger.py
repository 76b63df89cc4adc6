"""The ledger of test patients: who once stood on the test side, so that nobody of them is trained on later.

A CSV file a data set, in git, one row a patient:

| column | meaning |
| --- | --- |
| patient | pseudonym of the patient, 20 hex digits |
| hash | `keyed`: an HMAC under the patient key (`pseudonyms`); `plain`: a SHA-256 without a key |
| people | `real`, or `phantom` for drawn patients, whose numbers say nothing of people's |
| state | `held`: may only be tested on; `released`: left the test side, as somebody confirmed |

A plain hash hides nothing from somebody who can try all patient numbers; it is for public data and for
projects that have not made a key yet. Rows are never dropped, but a plain row becomes a keyed one when
its patient is at hand and a key was recorded since.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from sonotrace.errors import SonotraceError
from sonotrace.patients.pseudonyms import CHECK, LENGTH, Pseudonyms, has_check_value

HASHES = ("keyed", "plain")
PEOPLE = ("phantom", "real")
STATES = ("held", "released")
COLUMNS = ["patient", "hash", "people", "state"]


@dataclass(frozen=True)
class Entry:
    """What the ledger says of one pseudonym."""

    hash: str
    people: str
    state: str


Ledger = Mapping[str, Entry]
"""Pseudonym -> entry."""


@dataclass(frozen=True)
class Names:
    """The pseudonyms of one data set's patients; another data set has others for the same patients."""

    data_set: str
    people: str
    key: Pseudonyms | None

    @classmethod
    def for_source(cls, data_set: str, source: str, check: Path = CHECK) -> Self:
        """Take the patient key from the environment, if one was recorded and the patients are real.

        All sources but phantom share one name for a patient, since people may come by another way.
        Raises SonotraceError where the recorded key is missing or another.
        """
        people = "phantom" if source == "phantom" else "real"
        keyed = people == "real" and has_check_value(check)
        return cls(data_set, people, Pseudonyms.from_environment(check) if keyed else None)

    def plain(self, patient: str) -> str:
        """Return the pseudonym that needs no key."""
        return hashlib.sha256(f"sonotrace {self.data_set} {self.people} {patient}".encode()).hexdigest()[:LENGTH]

    def of(self, patient: str) -> str:
        """Return the pseudonym under the key or, without a key, the plain one."""
        return self.key.of(f"{self.data_set} test", patient) if self.key else self.plain(patient)

    def entry(self, state: str) -> Entry:
        """Return what a row of these patients says."""
        return Entry("keyed" if self.key else "plain", self.people, state)


def parse(text: str, path: Path) -> dict[str, Entry]:
    """Read a ledger; a patient who stands there twice, as after a merge by lines, is held if either row says so.

    Raises SonotraceError for a line that is none of a ledger.
    """
    found: dict[str, Entry] = {}
    for number, row in enumerate(csv.reader(io.StringIO(text)), start=1):
        if row == COLUMNS or not row:  # a merge by lines may repeat the header
            continue
        if len(row) != len(COLUMNS) or row[1] not in HASHES or row[2] not in PEOPLE or row[3] not in STATES:
            raise SonotraceError(f"{path}:{number}: no row of {', '.join(COLUMNS)}; restore the file with git")
        patient, entry = row[0], Entry(*row[1:])
        if patient not in found or entry.state == "held":
            found[patient] = entry
    return found


def text_of(ledger: Ledger) -> str:
    """Write a ledger as CSV, sorted."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for patient, entry in sorted(ledger.items(), key=lambda item: (item[1].people, item[0])):
        writer.writerow([patient, entry.hash, entry.people, entry.state])
    return stream.getvalue()


def under_key(ledger: Ledger, patients: Iterable[str], names: Names) -> dict[str, Entry]:
    """Return the ledger with the plain rows of `patients` under the key; without a key, as it is."""
    found = dict(ledger)
    for patient in patients if names.key else ():
        known = found.pop(names.plain(patient), None)
        if known:
            keyed = found.get(names.of(patient))
            held = "held" in {known.state, keyed.state if keyed else ""}
            found[names.of(patient)] = names.entry("held" if held else "released")
    return found


def united(workspace: Ledger, committed: Ledger, patients: Iterable[str], names: Names) -> dict[str, Entry]:
    """Return the workspace's ledger with the rows that only the last commit's has.

    Raises SonotraceError where rows were made with a key and none is recorded any more.
    """
    if names.key is None and any(
        entry.hash == "keyed" and entry.people == names.people
        for ledger in (workspace, committed)
        for entry in ledger.values()
    ):
        raise SonotraceError(
            f"{CHECK}: no patient key is recorded, but test patients of {names.data_set} were noted under one; "
            "restore the file with git"
        )
    at_hand = list(patients)
    return under_key(committed, at_hand, names) | under_key(workspace, at_hand, names)


def carried_on(ledger: Ledger, sides: Mapping[str, str], names: Names) -> tuple[dict[str, Entry], int]:
    """Return the ledger after a split, and how many held patients this split would train or tune on.

    `sides` is patient -> side. Those patients are released in the ledger returned, which is to be
    written only if somebody confirmed that.
    """
    found, moved = dict(ledger), 0
    for patient, side in sides.items():
        name = names.of(patient)
        known = found.get(name)
        if side == "test":
            found[name] = names.entry("held")
        elif known and known.state == "held":
            found[name] = replace(known, state="released")
            moved += 1
    return found, moved
