"""What an image and a patient are called on the page: by number and hash, or by name where that was asked for."""

from typing import Any

import pandas as pd

from sonotrace.tables import NOT_STATED

DIGITS = 10
"""Of the sha256; two of 100,000 images share them by a chance of one in 200."""


class Naming:
    """Names images and patients, the same one always alike."""

    def __init__(self, shown: bool) -> None:
        """Say whether ids may be shown."""
        self.shown = shown
        self._numbers: dict[str, int] = {}

    def described(self, row: pd.Series) -> dict[str, Any]:
        """Return code, name, patient, scanner and site of a row of `split.csv`, as a case has them."""
        number = self._numbers.setdefault(row["patient"], len(self._numbers) + 1)
        return {
            "code": code(row["sha256"]),
            "name": row["image"] if self.shown else "",
            "patient": f"patient {row['patient'] if self.shown else number}",
            "scanner": row["scanner"] or NOT_STATED,
            "site": row["site"] or NOT_STATED,
        }


def code(sha256: str) -> str:
    """Return the code of an image file; it leads back to the file through `manifest.csv`."""
    return sha256[:DIGITS]
