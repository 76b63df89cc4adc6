"""Take a snapshot in: bring the files that its labels list, and make the image and box tables of them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from sonotrace.documents import tracked_outs
from sonotrace.errors import SonotraceError
from sonotrace.intake.bring import Arrival, DicomSettings, Importer, SourceFile, open_cache
from sonotrace.intake.fetch import Fetched
from sonotrace.labels.corrections import Corrections
from sonotrace.labels.listing import Listed, is_dicom
from sonotrace.patients.pseudonyms import Pseudonyms
from sonotrace.patients.withdrawals import Withdrawals
from sonotrace.running.outputs import building
from sonotrace.running.parallel import BATCH, in_order
from sonotrace.running.progress import bar
from sonotrace.tables import box_table, image_table


@dataclass(frozen=True)
class Terms:
    """On what terms images are taken in."""

    data_set: str
    patient: re.Pattern[str]
    """Finds the group `patient` in an image id."""
    dicom: DicomSettings
    withdrawals: Withdrawals
    corrections: Corrections


@dataclass(frozen=True)
class TakenIn:
    """The tables of a snapshot that was taken in (`tables`)."""

    manifest: pd.DataFrame
    boxes: pd.DataFrame
    images: int
    """Images in the folder."""
    rows: int
    """Rows listed that are not of patients who withdrew."""
    withdrawn: int
    """Rows left out, and DICOM files, because their patients withdrew."""


def take_in(listed: list[Listed], fetched: Fetched, folder: Path, terms: Terms) -> TakenIn:
    """Bring the listed files into `folder`, which is replaced, and make the tables.

    Plain images keep their path below the snapshot's folder. DICOM files of the same bytes are brought
    in once. Raises SonotraceError where `dvc push` would send DICOM files.
    """
    files = _source_files(listed, fetched)
    key = None
    if any(file.is_dicom for file in files.values()):
        _keep_from_remotes(fetched.origin)
        key = Pseudonyms.from_environment()
    remaining = [entry for entry in listed if not terms.withdrawals.hold(_patient(entry, terms))]
    wanted = {entry.file for entry in remaining}
    arrivals = _bring(
        {path: file for path, file in files.items() if path in wanted},
        folder,
        terms,
        key,
        move=fetched.is_temporary,
    )
    rows: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []
    for entry in remaining:
        for arrival in arrivals[entry.file] if entry.file else [_missing(entry, key)]:
            row = _row(entry, arrival, terms)
            rows.append(row)
            if not row["refused"]:
                boxes.extend(_boxes(entry, arrival, str(row["image"])))
    withdrawn = len(listed) - len(remaining) + sum(not of_file for of_file in arrivals.values())
    return TakenIn(
        image_table(rows),
        box_table(boxes).round(3),
        images=len({arrival.file for of_file in arrivals.values() for arrival in of_file if arrival.file}),
        rows=len(listed) - withdrawn,
        withdrawn=withdrawn,
    )


def _patient(entry: Listed, terms: Terms) -> str:
    """Return the patient that the labels state, or else the image id; empty where it cannot be read."""
    if entry.patient:
        return entry.patient
    found = terms.patient.search(entry.image)
    return found["patient"] if found else ""


def _source_files(entries: Iterable[Listed], fetched: Fetched) -> dict[Path, SourceFile]:
    """Return path -> file of all files that entries have, sorted."""
    files = {}
    for path in sorted({entry.file for entry in entries if entry.file}):
        name = path.relative_to(fetched.snapshot.folder).as_posix()
        files[path] = SourceFile(path, name, fetched.content[name], is_dicom(path))
    return files


def _keep_from_remotes(origin: Path) -> None:
    """Raise SonotraceError where DVC tracks the folder of DICOM files, or one above it, and would push it."""
    for tracked in (Path(f"{at}.dvc") for at in (origin, *origin.parents)):
        if not tracked.is_file():
            continue
        if any(out.get("push", True) for out in tracked_outs(tracked)):
            raise SonotraceError(
                f"{tracked}: DICOM files name their patients, and `dvc push` would send them; add `push: false` "
                "to its entry under outs (docs/sources.md)"
            )


def _bring(
    files: Mapping[Path, SourceFile], folder: Path, terms: Terms, key: Pseudonyms | None, *, move: bool
) -> dict[Path, list[Arrival]]:
    """Bring the files into `folder`; of DICOM files with the same bytes only the first."""
    first: dict[str, SourceFile] = {}
    stand_in = {path: first.setdefault(file.sha256, file) if file.is_dicom else file for path, file in files.items()}
    distinct = list(dict.fromkeys(stand_in.values()))
    with (
        open_cache(terms.dicom, key) as cache,
        building(folder) as images,
        bar("images", len(distinct)) as advance,
    ):
        images.mkdir()
        importer = Importer(images, terms.dicom, key, terms.withdrawals, cache, move)
        arrivals = {}
        for file, of_file in zip(distinct, in_order(importer.bring, distinct, batch=BATCH), strict=True):
            arrivals[file] = of_file
            advance(1)
    return {path: arrivals[file] for path, file in stand_in.items()}


def _missing(entry: Listed, key: Pseudonyms | None) -> Arrival:
    """Stand in for a row without an image; beside DICOM files its name might tell who the patient is."""
    return Arrival("", image=key.of("name", entry.image) if key else "")


def _row(entry: Listed, arrival: Arrival, terms: Terms) -> dict[str, object]:
    decided = terms.corrections.applied(arrival.sha256, entry.label, _labelled_by(entry, arrival))
    refused = arrival.refused or decided.refused or entry.refused
    if entry.boxes and not arrival.is_only:
        parameter = f"pull.{terms.data_set}.incoming.dicom.frames"
        refused = refused or f"boxes of a whole clip: name the labelled frame in {parameter}"
    return {
        "image": arrival.image or entry.image,
        "file": arrival.file,
        "sha256": arrival.sha256,
        "patient": arrival.patient if arrival.image else _patient(entry, terms),
        "source_image": "" if arrival.image else entry.source_image,
        "width": arrival.width,
        "height": arrival.height,
        "label": decided.label,
        "labelled_by": decided.labelled_by,
        "official_split": entry.official_split,
        "scanner": arrival.scanner or entry.scanner,
        "site": entry.site,
        "mm_per_px_x": f"{arrival.mm_per_px[0]:.6g}" if arrival.mm_per_px else "",
        "mm_per_px_y": f"{arrival.mm_per_px[1]:.6g}" if arrival.mm_per_px else "",
        "refused": refused,
    }


def _labelled_by(entry: Listed, arrival: Arrival) -> str:
    """Return where the label is; for DICOM without folders and file names, which may name a patient."""
    if not arrival.image:
        return entry.labelled_by
    name = PurePosixPath(entry.labelled_by)
    return name.with_stem(arrival.image).name if name.stem == entry.image else name.name


def _boxes(entry: Listed, arrival: Arrival, image: str) -> list[dict[str, object]]:
    """Return the entry's boxes in px of the image as it was brought in."""
    width, height = arrival.full or (arrival.width, arrival.height)
    left, top = arrival.offset
    return [
        {
            "image": image,
            "file": arrival.file,
            "structure": box.structure,
            "x0": box.x0 * width - left,
            "y0": box.y0 * height - top,
            "x1": box.x1 * width - left,
            "y1": box.y1 * height - top,
        }
        for box in entry.boxes
    ]
