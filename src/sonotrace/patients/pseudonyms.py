"""Keyed pseudonyms, which replace patient ids and other names from a hospital's files.

A pseudonym is an HMAC-SHA256 (RFC 2104) under a key that only the hospital has. Without the key, ids
cannot be brute-forced from pseudonyms; with the same key, a patient has the same pseudonym in every
snapshot. A different key would silently rename every patient, and patients who were trained on would
come back as new ones; hence the check value in git, which reveals a wrong key.

The key comes from the environment and is never stored. The check value is made under a key of its
own, derived from the patient key, so it is not a pseudonym and reveals none. Anyone can still
brute-force a weak key against it, and then ids against the pseudonyms. So a key has at least 32
characters and should be drawn at random.
"""

import hmac
import json
import os
from pathlib import Path
from typing import Self

from sonotrace.errors import SonotraceError
from sonotrace.running.outputs import write_json

VARIABLE = "SONOTRACE_PATIENT_KEY"
"""The environment variable that holds the key; white space around the key is not part of it."""

CHECK = Path("data/patient-key.json")
"""The file of the check value, as `{"check": "<64 hex digits>"}`."""

SHORTEST = 32
"""Least number of characters in a key: 128 bits, if they are random hex digits."""

LENGTH = 20
"""Hex digits of a pseudonym: 80 bits, so that two of a million patients collide with odds of 1 in 10^12."""

_HOW_TO_MAKE_ONE = 'python -c "import secrets; print(secrets.token_hex(32))"'


class Pseudonyms:
    """Makes pseudonyms under one key, which no text form of this object shows."""

    def __init__(self, key: str) -> None:
        self._key = key.encode(errors="surrogateescape")

    @classmethod
    def from_environment(cls, check: Path = CHECK) -> Self:
        """Take the key from the environment and compare it with the check value in `check`.

        Raises SonotraceError if the key is missing or short, or the check value is missing or another key's.
        """
        pseudonyms = cls(_key())
        recorded = _check_value(check)
        if recorded is None:
            raise SonotraceError(
                f"{check}: no check value of the patient key; run `sonotrace patient-key` and commit it"
            )
        if not hmac.compare_digest(recorded, pseudonyms.check_value()):
            raise _wrong_key(check)
        return pseudonyms

    def of(self, kind: str, value: str) -> str:
        """Return the pseudonym of `value`, as 20 hex digits.

        The same value has unrelated pseudonyms under two kinds, such as `patient` and `image`. The
        spaces and NULs that DICOM pads values with do not count; everything else does, including case.
        """
        return self._hmac("pseudonym", kind, value.strip(" \0"))[:LENGTH]

    def check_value(self) -> str:
        """Return a value that identifies this key."""
        return self._hmac("check", "sonotrace", "patient key")

    def _hmac(self, use: str, kind: str, value: str) -> str:
        """Hash `value` under a key derived from the patient key, one per use and kind."""
        key = self._key
        for step in (use, kind):
            key = hmac.digest(key, step.encode(), "sha256")
        return hmac.digest(key, value.encode(errors="surrogatepass"), "sha256").hex()


def record(check: Path = CHECK) -> str:
    """Write the check value of the key in the environment to `check`, unless it holds one.

    Returns a sentence for people. Raises SonotraceError if the key is missing or short, or `check`
    holds the check value of another.
    """
    own = Pseudonyms(_key()).check_value()
    recorded = _check_value(check)
    if recorded is None:
        write_json({"check": own}, check)
        return f"{check}: check value of the patient key written; commit it, and keep the key safe and out of git"
    if not hmac.compare_digest(recorded, own):
        raise _wrong_key(check)
    return f"{check}: it already holds the check value of this patient key"


def has_check_value(check: Path = CHECK) -> bool:
    """Say whether a patient key was recorded in `check`."""
    return _check_value(check) is not None


def _key() -> str:
    key = os.environ.get(VARIABLE, "").strip()
    if not key:
        raise SonotraceError(
            f"{VARIABLE}: not set, but DICOM files, withdrawals and the ledger of test patients need it; "
            f"set the key of earlier snapshots, or make one with: {_HOW_TO_MAKE_ONE}"
        )
    if len(key) < SHORTEST:
        raise SonotraceError(
            f"{VARIABLE}: {len(key)} characters, fewer than {SHORTEST}; make a key with: {_HOW_TO_MAKE_ONE}"
        )
    return key


def _check_value(check: Path) -> str | None:
    """Read the check value; None where the file is missing or holds none yet."""
    try:
        content = json.loads(check.read_text(encoding="utf-8"))
        value = content.get("check")
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError):
        raise SonotraceError(f"{check}: not the JSON of `sonotrace patient-key`; restore it from git") from None
    if value is not None and not (isinstance(value, str) and value.isascii()):
        raise SonotraceError(f"{check}: check is not a text of hex digits; restore the file from git")
    return value or None


def _wrong_key(check: Path) -> SonotraceError:
    return SonotraceError(
        f"{VARIABLE}: not the key that {check} was made with, so every patient would get a new pseudonym; "
        "set the key of earlier snapshots"
    )
