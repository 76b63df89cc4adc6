"""Guess how file names name their patients, where the pattern in `params.yaml` does not fit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"(?:patient|pat|subject|subj|sub|case|pid)[-_ ]?(?=[0-9])", re.IGNORECASE)
"""What often precedes a patient's number."""

_CANDIDATES = (
    r"^(?P<patient>[0-9]+)[^0-9]",
    r"^(?P<patient>[^_]+)_",
    r"^(?P<patient>[^-]+)-",
    r"^(?P<patient>[^_]+_[^_]+)_",
)


@dataclass(frozen=True)
class Guess:
    """A pattern that fits every name, and what it makes of them."""

    pattern: str
    patients: int
    example: str
    """The patient that it reads from the first name."""


def guesses(names: Sequence[str]) -> list[Guess]:
    """Return the patterns that fit all `names` and read several patients from them, no two with the same outcome."""
    found: dict[tuple[str, ...], Guess] = {}
    word = _WORD.search(names[0]) if names else None
    for pattern in (*([f"{word[0]}(?P<patient>[0-9]+)"] if word else []), *_CANDIDATES):
        matches = [re.search(pattern, name) for name in names]
        patients = tuple(match["patient"] for match in matches if match)
        if len(patients) == len(names) and len(set(patients)) > 1:
            found.setdefault(_groups(patients), Guess(pattern, len(set(patients)), patients[0]))
    return list(found.values())


def _groups(patients: tuple[str, ...]) -> tuple[str, ...]:
    """Number patients in the order in which they appear, so that only who belongs together counts."""
    numbers = {patient: str(number) for number, patient in enumerate(dict.fromkeys(patients))}
    return tuple(numbers[patient] for patient in patients)
