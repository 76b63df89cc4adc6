"""Check images before anything is put in place: pull and validate them in a folder of their own, as the run will."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

import pandas as pd

from sonotrace.checks.report import count
from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind
from sonotrace.own_images import edits
from sonotrace.own_images.patterns import guesses
from sonotrace.params import PATH, load
from sonotrace.params.validate import ValidateOne
from sonotrace.places import DATA, REPORTS, folder
from sonotrace.running.item_cache import dvc_cache
from sonotrace.running.outputs import write_bytes
from sonotrace.stages import pull, validate
from sonotrace.tables import USED_BOX_COLUMNS, read_table

FEW = 20
"""Patients; with fewer, one of train, val and test is easily left without any."""


@dataclass(frozen=True)
class Findings:
    """What a check found; the tables are those that pull and validate write."""

    data_set: str
    kind: Kind
    limits: ValidateOne
    """What the run will allow."""
    snapshot: Mapping[str, Any]
    manifest: pd.DataFrame
    accepted: pd.DataFrame
    boxes: pd.DataFrame
    quarantine: pd.DataFrame
    out_of_scope: pd.DataFrame
    refusal: str
    """Why validate refused it all, or empty."""
    is_cohort: bool = False
    """Whether the images are only measured on."""

    def report(self) -> Iterator[str]:
        """Yield what a person should know, one line each."""
        good = self.accepted
        yield f"images      {len(good)} of {self.snapshot['images']} can be used ({len(self.manifest)} rows)"
        if len(good):
            each = good.groupby("patient").size()
            yield f"patients    {len(each)}, {_span(each.min(), each.max())} images each"
            classes = ", ".join(f"{name} {number}" for name, number in self._classes().items())
            yield f"{'boxes' if self.kind.has_boxes else 'classes':12}{classes}"
            sizes = sorted(set(zip(good["width"], good["height"], strict=True)))
            yield f"sizes       {_span(*(f'{width}x{height}' for width, height in (sizes[0], sizes[-1])))} px"
        if len(self.out_of_scope):
            yield f"left out    {len(self.out_of_scope)}: {_counts(self.out_of_scope['label'])}"
        if self.snapshot["withdrawn"]:
            yield f"withdrawn   {self.snapshot['withdrawn']} rows of patients who withdrew"
        yield f"quarantine  {len(self.quarantine)} rows"
        for reason, rows in self.quarantine.groupby("reason"):
            first = rows.iloc[0]
            yield f"  {len(rows)} {reason}, first: {first['image']}: {first['detail']}"
        if len(self._nameless) > len(self.quarantine) / 2:
            names = list(self._nameless["image"])
            for guess in guesses(names):
                yield f"  try -S 'pull.{self.data_set}.patient_pattern={guess.pattern}'"
                yield f"    {guess.patients} patients, such as {guess.example} in {names[0]}; check that each is one"
        yield from (f"note: {note}" for note in self._notes())

    def obstacles(self) -> Iterator[str]:
        """Yield what would stop the run, each with its remedy."""
        name, rows = self.data_set, len(self.manifest)
        conflicts = self.quarantine[self.quarantine["reason"] == "conflicting labels"]
        if len(conflicts) and self.limits.conflicting_labels == "stop":
            first = conflicts.iloc[0]
            yield (
                f"{len(conflicts)} identical images have different labels, first {first['image']}: {first['detail']}; "
                f"correct the labels, or leave them out with -S validate.{name}.conflicting_labels=quarantine"
            )
        share = len(self.quarantine) / max(rows, 1)
        if rows == 0:
            yield "no images and no rows; name the folder or archive that holds them"
        elif share <= self.limits.max_quarantined and len(self.quarantine) < rows:
            if self.refusal:
                yield self.refusal
        elif len(self._nameless) > len(self.quarantine) / 2:
            yield (
                f"pull.{name}.patient_pattern finds no patient in {len(self._nameless)} of {rows} names, such as "
                f"{', '.join(self._nameless['image'].iloc[:3])}; give another with -S 'pull.{name}.patient_pattern=...'"
            )
        else:
            yield (
                f"{len(self.quarantine)} of {rows} rows would be quarantined, more than "
                f"validate.{name}.max_quarantined = {self.limits.max_quarantined:g}; correct the images and labels, or "
                f"allow more with -S validate.{name}.max_quarantined=..."
            )

    @property
    def _nameless(self) -> pd.DataFrame:
        return self.quarantine[self.quarantine["reason"] == "unreadable patient"]

    def _classes(self) -> dict[str, int]:
        found = count(self.boxes["structure"] if self.kind.has_boxes else self.accepted["label"])
        return dict.fromkeys(self.kind.classes(found), 0) | found

    def _notes(self) -> Iterator[str]:
        patients = self.accepted["patient"].nunique()
        absent = [name for name, number in self._classes().items() if number == 0] if patients else []
        if absent:
            missed = "nothing is measured on it" if self.is_cohort else "a model cannot learn it"
            yield f"no {'box' if self.kind.has_boxes else 'image'} of {', '.join(absent)}; {missed}"
        if 0 < patients < FEW and not self.is_cohort:
            yield f"only {patients} patients; train, val or test may end up with none"
        if patients > 1 and patients == len(self.accepted):
            yield f"every image has a patient of its own; check pull.{self.data_set}.patient_pattern"
        if (self.accepted["official_split"] != "").any() and not self.is_cohort:
            yield (
                "the data set has a split of its own, which is not used; "
                f"-S split.{self.data_set}.use_official=true uses it"
            )
        copies = self.accepted[self.accepted["source_image"] != ""].groupby("source_image").size()
        if self.kind.has_boxes and (copies > 1).any():
            yield (
                f"{int((copies > 1).sum())} source images come as several copies; if those were turned, their boxes "
                f"are too large: -S validate.{self.data_set}.copies=recover undoes that"
            )
        applied = [key for key in ("preprocessing", "augmentation") if self.snapshot[key]]
        if applied:
            yield f"the images are not raw; the export states {' and '.join(applied)}"


def check(data_set: str, images: Path, shown: Path, parameters: str, scratch: Path) -> Findings:
    """Pull and validate the folder `images` in the folder `scratch`, with the text of a good params.yaml.

    `shown` is what the user calls it. The checkout in the working directory is not changed, but for DVC's
    cache, where validate notes what it found in each image, and need not decode it again.
    Raises SonotraceError where the images cannot be pulled at all, with pull's reason.
    """
    lenient = {f"validate.{data_set}.max_quarantined": 1.0, f"validate.{data_set}.conflicting_labels": "quarantine"}
    _lay_out(scratch, data_set, images.resolve(), parameters)
    with chdir(scratch):
        intended = load()
        write_bytes(edits.changed(parameters, lenient).encode(), PATH)
        try:
            with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
                pull.run(data_set)
        except SonotraceError as error:
            raise SonotraceError(str(error).replace(str(DATA / "incoming" / data_set), str(shown))) from None
        refusal = _validate(data_set)
        at, snapshot = folder(data_set, "validate"), REPORTS / data_set / "snapshot.json"
        manifest, quarantine = read_table(folder(data_set, "pull") / "manifest.csv"), read_table(at / "quarantine.csv")
        accepted = manifest.iloc[:0] if refusal else read_table(at / "accepted.csv")
        return Findings(
            data_set,
            intended.kind(data_set),
            intended.validate[data_set],
            json.loads(snapshot.read_text(encoding="utf-8")),
            manifest,
            accepted,
            pd.DataFrame(columns=list(USED_BOX_COLUMNS)) if refusal else read_table(at / "boxes.csv"),
            quarantine,
            read_table(at / "out_of_scope.csv"),
            refusal,
            data_set not in intended.learned,
        )


def _validate(data_set: str) -> str:
    """Run validate; return why it refused everything, or nothing."""
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            validate.run(data_set)
    except SonotraceError as error:
        if not (folder(data_set, "validate") / "quarantine.csv").is_file():
            raise
        return str(error)
    return ""


def _lay_out(scratch: Path, data_set: str, images: Path, parameters: str) -> None:
    """Make what pull and validate need of a checkout: parameters, the images, keys and withdrawals, DVC's cache.

    Images are hard links where the disk allows it, since they are only read.
    """
    place, _ = dvc_cache(Path())
    write_bytes(parameters.encode(), scratch / PATH)
    (scratch / DATA / "incoming").mkdir(parents=True)
    (scratch / DATA / "incoming" / data_set).symlink_to(images, target_is_directory=True)
    for file in DATA.iterdir():
        if file.is_file():
            copyfile(file, scratch / file)
    if place:
        config = f"[core]\n    no_scm = true\n[cache]\n    dir = {place.resolve()}\n    type = hardlink,copy\n"
        write_bytes(config.encode(), scratch / ".dvc/config")


def _span(least: object, most: object) -> str:
    return f"{least}" if least == most else f"{least} to {most}"


def _counts(values: pd.Series) -> str:
    return ", ".join(f"{name} {number}" for name, number in count(values).items())
