"""What people decided about labels in reviews: kept in git and applied by pull, so that the snapshot stays as it came.

An image is known by the sha256 of its bytes, so the table names no image and no patient, and a decision holds for
whatever snapshot has that image. A row is taken back by deleting it.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind
from sonotrace.running.outputs import write_csv
from sonotrace.tables import REVIEWED

TABLE = Path("data/corrections.csv")
"""One row per decision."""
LEFT_OUT = "left out"
"""What `new` says of an image that is not to be used at all."""
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Correction:
    """One row of the table: what a person decided about one image."""

    data_set: str
    sha256: str
    """Of the image as pull brings it in."""
    old: str
    """The label that the snapshot has; empty where it has none."""
    new: str
    """The label that is right, which may be the old one, or LEFT_OUT."""
    reviewer: str
    date: str
    """ISO 8601."""
    note: str

    @property
    def outcome(self) -> str:
        """Return what the decision does: `relabelled`, `left out` or `confirmed`."""
        if self.new == LEFT_OUT:
            return "left out"
        return "confirmed" if self.new == self.old else "relabelled"

    @property
    def review(self) -> str:
        """Name who decided, and when."""
        return f"{self.reviewer}, {self.date}"


COLUMNS = list(Correction.__dataclass_fields__)


@dataclass(frozen=True)
class Labelled:
    """The label of an image after all decisions."""

    label: str
    labelled_by: str
    refused: str
    """Why the image is not to be used, as `reason: detail`, else empty."""


class Corrections:
    """The decisions about the images of one data set."""

    def __init__(self, data_set: str, kind: Kind, table: Path = TABLE) -> None:
        """Read the table; raises SonotraceError where it is none, or a row of this data set cannot be meant."""
        self._kind, self._table = kind, table
        self._lines = {row.sha256: (line, row) for line, row in _numbered(table) if row.data_set == data_set}
        for line, row in self._lines.values():
            _check(row, kind, f"{table}: line {line}")

    @property
    def images(self) -> frozenset[str]:
        """Return the sha256 of all images that were decided about."""
        return frozenset(self._lines)

    def about(self, sha256: str) -> Correction | None:
        """Return what was decided about an image."""
        return self._lines[sha256][1] if sha256 in self._lines else None

    def applied(self, sha256: str, label: str, labelled_by: str) -> Labelled:
        """Return the label of an image, given what its snapshot says.

        Raises SonotraceError where the snapshot's label is neither the one that was reviewed nor the one decided.
        """
        if sha256 not in self._lines:
            return Labelled(label, labelled_by, "")
        line, row = self._lines[sha256]
        if row.new == LEFT_OUT:
            why = f": {row.note}" if row.note else ""
            return Labelled(label, labelled_by, f"{REVIEWED}: {row.review}{why}")
        stated = self.name_of(label)
        if stated == row.new:
            return Labelled(label, labelled_by, "")
        if stated != row.old:
            raise SonotraceError(
                f"{self._table}: line {line}: the snapshot calls this image {stated or 'nothing'!r}, and it was "
                f"reviewed as {row.old or 'nothing'!r}; review it again, or delete the row"
            )
        return Labelled(row.new, f"{self._table.name}:{sha256[:12]}", "")

    def name_of(self, label: str) -> str:
        """Return the name by which decisions know a label of the snapshot."""
        return self._kind.class_of(label) or label

    def summary(self, images: Iterable[str]) -> dict[str, str]:
        """Return review -> how many decisions about these images (sha256) it had, and what came of them."""
        counts: dict[str, Counter[str]] = {}
        for sha256 in set(images) & self._lines.keys():
            row = self._lines[sha256][1]
            counts.setdefault(row.review, Counter())[row.outcome] += 1
        return {
            review: ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts[review].items()))
            for review in sorted(counts)
        }


def decide(decision: Correction, kind: Kind, table: Path = TABLE) -> None:
    """Write a decision into the table, in place of an earlier one about the same image.

    Raises SonotraceError where it cannot be meant, such as for a label that the kind does not have.
    """
    _check(decision, kind, "review")
    write(table, [*_others(table, decision.data_set, decision.sha256), decision])


def undo(data_set: str, sha256: str, table: Path = TABLE) -> None:
    """Take the decision about an image out of the table, if there is one."""
    write(table, _others(table, data_set, sha256))


def choices(kind: Kind, labels: Iterable[str]) -> tuple[str, ...]:
    """Return the labels that a reviewer may give an image; with boxes for labels there are none to choose from."""
    return () if kind.has_boxes else tuple(dict.fromkeys((*kind.classes(labels), *kind.out_of_scope)))


def write(table: Path, rows: Iterable[Correction]) -> None:
    """Write the table, sorted, so that the same decisions have the same bytes."""
    ordered = sorted(rows, key=lambda row: (row.data_set, row.sha256))
    write_csv(pd.DataFrame([asdict(row) for row in ordered], columns=COLUMNS), table)


def _others(table: Path, data_set: str, sha256: str) -> list[Correction]:
    return [row for _, row in _numbered(table) if (row.data_set, row.sha256) != (data_set, sha256)]


def _numbered(table: Path) -> list[tuple[int, Correction]]:
    """Read the rows with their lines, counted from 1."""
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, restval="")
            if reader.fieldnames != COLUMNS:
                raise SonotraceError(
                    f"{table}: columns {', '.join(reader.fieldnames or ['none'])}, not {', '.join(COLUMNS)}; "
                    "restore it with git"
                )
            rows = [(reader.line_num, _row(row, f"{table}: line {reader.line_num}")) for row in reader]
    except FileNotFoundError:
        raise SonotraceError(f"{table}: not there; restore it with git") from None
    except UnicodeDecodeError as error:
        raise SonotraceError(f"{table}: byte {error.start} is not UTF-8; save the table as UTF-8") from None
    except csv.Error as error:
        raise SonotraceError(f"{table}: not a CSV table ({error}); restore it with git") from None
    first: dict[tuple[str, str], int] = {}
    for line, row in rows:
        before = first.setdefault((row.data_set, row.sha256), line)
        if before != line:
            raise SonotraceError(f"{table}: lines {before} and {line} are about the same image; delete one of them")
    return rows


def _row(row: Mapping[str | None, str], place: str) -> Correction:
    if None in row:
        raise SonotraceError(f"{place}: more than {len(COLUMNS)} values; put a note with commas in double quotes")
    return Correction(**{name: (row[name] or "").strip() for name in COLUMNS})


def _check(row: Correction, kind: Kind, place: str) -> None:
    if not _SHA256.fullmatch(row.sha256):
        raise SonotraceError(f"{place}: sha256 is {row.sha256!r}; it has 64 digits from 0 to f")
    if not row.reviewer:
        raise SonotraceError(f"{place}: no reviewer; say who decided")
    try:
        date.fromisoformat(row.date)
    except ValueError:
        raise SonotraceError(f"{place}: date is {row.date!r}; write it as 2026-11-26") from None
    if row.new == LEFT_OUT:
        return
    if kind.has_boxes:
        if row.new == row.old:
            return
        raise SonotraceError(
            f"{place}: new is {row.new!r}; an image with boxes can be {LEFT_OUT!r} only (draw its boxes anew in the "
            "tool that they came from)"
        )
    if kind.class_of(row.new) != row.new:
        allowed = ", ".join((*kind.classes(()), *kind.out_of_scope)) or "any text"
        raise SonotraceError(f"{place}: new is {row.new!r}; use one of {allowed}, or {LEFT_OUT!r}")
