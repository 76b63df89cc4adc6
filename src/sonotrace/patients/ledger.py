"""The ledger of test patients: who was ever in the test split, so that nobody of them is trained on later.

One CSV file per data set, in git, with one row per patient:

| column | meaning |
| --- | --- |
| patient | pseudonym of the patient, 20 hex digits |
| hash | `keyed`: an HMAC under the patient key (`pseudonyms`); `plain`: a SHA-256 without a key |
| people | `real`, or `phantom` for drawn patients, whose numbers say nothing about people's |
| state | `held`: may only be tested on; `released`: left the test side, as somebody confirmed |

Patient numbers can be brute-forced from plain hashes; these are for public data and for projects that
have no key yet. Rows are never dropped, but a plain row becomes keyed once a key is recorded and its
patient is in a snapshot.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from sonotrace.errors import SonotraceError
from sonotrace.patients.pseudonyms import CHECK, LENGTH, Pseudonyms, has_check_value
from sonotrace.records.lock import flat

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
    """Makes the pseudonyms of one data set; the same patients have others in another data set."""

    data_set: str
    people: str
    key: Pseudonyms | None

    @classmethod
    def for_source(cls, data_set: str, source: str, check: Path = CHECK) -> Self:
        """Take the patient key from the environment, if one was recorded and the patients are real.

        A patient has the same pseudonym in all sources but phantom, since people's images may come by another
        way later. Raises SonotraceError if a key was recorded and the environment has none or another.
        """
        people = "phantom" if source == "phantom" else "real"
        keyed = people == "real" and has_check_value(check)
        return cls(data_set, people, Pseudonyms.from_environment(check) if keyed else None)

    def plain(self, patient: str) -> str:
        """Return the pseudonym made without a key."""
        return hashlib.sha256(f"sonotrace {self.data_set} {self.people} {patient}".encode()).hexdigest()[:LENGTH]

    def of(self, patient: str) -> str:
        """Return the pseudonym under the key or, without a key, the plain one."""
        return self.key.of(f"{self.data_set} test", patient) if self.key else self.plain(patient)

    def entry(self, state: str) -> Entry:
        """Return what a row of these patients says."""
        return Entry("keyed" if self.key else "plain", self.people, state)


def parse(text: str, path: Path) -> dict[str, Entry]:
    """Read a ledger; a patient with two rows, as after a merge by lines, is held if either row says so.

    Raises SonotraceError for a line that is no row of a ledger.
    """
    try:
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise SonotraceError(f"{path}: not a CSV table ({error}); restore the file with git") from None
    entries: dict[str, Entry] = {}
    for number, row in enumerate(rows, start=1):
        if row == COLUMNS or not row:  # a merge by lines may repeat the header
            continue
        if len(row) != len(COLUMNS) or row[1] not in HASHES or row[2] not in PEOPLE or row[3] not in STATES:
            raise SonotraceError(f"{path}:{number}: no row of {', '.join(COLUMNS)}; restore the file with git")
        patient, entry = row[0], Entry(*row[1:])
        if patient not in entries or entry.state == "held":
            entries[patient] = entry
    return entries


def text_of(ledger: Ledger) -> str:
    """Write a ledger as CSV, sorted."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for patient, entry in sorted(ledger.items(), key=lambda item: (item[1].people, item[0])):
        writer.writerow([patient, entry.hash, entry.people, entry.state])
    return stream.getvalue()


def under_key(ledger: Ledger, patients: Iterable[str], names: Names) -> dict[str, Entry]:
    """Return the ledger with the plain rows of `patients` under the key; without a key, unchanged."""
    entries = dict(ledger)
    for patient in patients if names.key else ():
        plain = entries.pop(names.plain(patient), None)
        if plain:
            keyed = entries.get(names.of(patient))
            held = "held" in {plain.state, keyed.state if keyed else ""}
            entries[names.of(patient)] = names.entry("held" if held else "released")
    return entries


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
            f"{CHECK}: no patient key is recorded, but test patients of {names.data_set} were recorded under one; "
            "restore the file with git"
        )
    at_hand = list(patients)
    return under_key(committed, at_hand, names) | under_key(workspace, at_hand, names)


def leaving(ledger: Ledger, sides: Mapping[str, str], names: Names) -> set[str]:
    """Return the pseudonyms of held patients whom a split, patient -> side, has in train or val."""
    moved = {names.of(patient) for patient, side in sides.items() if side != "test"}
    return {name for name in moved & set(ledger) if ledger[name].state == "held"}


def carried_on(ledger: Ledger, sides: Mapping[str, str], names: Names) -> dict[str, Entry]:
    """Return the ledger after a split: its test patients are held, and those who left are released.

    Write it only if nobody left, or somebody confirmed that.
    """
    released = {name: replace(ledger[name], state="released") for name in leaving(ledger, sides, names)}
    held = {names.of(patient): names.entry("held") for patient, side in sides.items() if side == "test"}
    return {**ledger, **released, **held}


def refusal(
    data_set: str, path: Path, moved: int, now: Mapping[str, Any], before: Mapping[str, Any], is_uncommitted: bool
) -> str:
    """Say how many test patients would leave the test side, why, and what can be done.

    `now` has the section of this split's parameters, `before` dotted key -> value of the last commit's.
    `is_uncommitted` says that the commits alone would let this split pass.
    """
    key = f"split.{data_set}"
    values = flat({key: dict(now)})
    changed = [
        f"{name} is {values[name]!r}, was {value!r}"
        for name, value in before.items()
        if values.get(name, value) != value and name != f"{key}.test_patients_may_move"
    ]
    why = "; ".join(changed) or f"see {key}.salt, use_official, fractions and the official split"
    back = f"restore the committed ledger by `git checkout -- {path}`" if is_uncommitted else "change that back"
    return (
        f"{path}: {moved} test patients would be trained or validated on ({why}); "
        f"{back}, or confirm it by {key}.test_patients_may_move: true"
    )
