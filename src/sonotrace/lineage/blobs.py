"""Which files in DVC's cache, and its remotes, hold a patient's images: what a withdrawal has to delete."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from sonotrace.images.packs import pack_name
from sonotrace.lineage.evidence import Evidence
from sonotrace.lineage.people import names_of
from sonotrace.patients.pseudonyms import CHECK, LENGTH, VARIABLE, Pseudonyms, has_check_value
from sonotrace.places import PAGE, folder, gathered
from sonotrace.records.lock import Link, Step, data_sets, flat
from sonotrace.sources.transfer.archives import TAR_ENDINGS


@dataclass(frozen=True)
class Blobs:
    """The files of a patient's images, in all of history."""

    paths: Mapping[str, str]
    """md5 -> path, sorted by path."""
    missing: list[str]
    """What could not be seen, each with a remedy; there may be more files then."""


@dataclass(frozen=True)
class _Pull:
    """One run of pull on images that have patients."""

    data_set: str
    manifest: Link
    snapshot: Link | None
    """What was pulled, where DVC tracks it."""


def blobs_of(patient: str, repo: Path) -> Blobs:
    """Return every file that DVC may keep of a patient's images, named by the image tables of all of history.

    These are the images as they came, prepared, and augmented, and what of the snapshot holds them: plain images
    by name, DICOM files by the patient key, and whole archives, which hold others' images too; and the pages and
    pictures made of a run that had the patient, since they may show them. A file that
    another patient's images share byte by byte is left out. Tables of phantom images, which have no patients,
    are not asked for.
    """
    evidence = Evidence(repo)
    patients, unasked = names_of(patient, evidence.history.top)
    locks = [evidence.steps(lock) for lock in evidence.history.locks]
    missing = {*evidence.missing(), *unasked}
    names: dict[str, set[str]] = {data_set: set() for steps in locks for data_set in data_sets(steps)}
    origins: dict[str, str] = {}
    held: set[_Pull] = set()
    for pull in {pull for steps in locks for pull in _pulls(steps)}:
        rows = evidence.store.table(pull.manifest)
        if rows is None:
            table = f"{pull.manifest.path} md5 {pull.manifest.md5}"
            missing.add(f"{table}: not in this clone, so files of that snapshot are not listed; {evidence.remedy()}")
        own = [row for row in rows or [] if row["patient"] in patients]
        held |= {pull} if own else set()
        names[pull.data_set] |= {row[key] for row in own for key in ("image", "file")} - {""}
        names[pull.data_set] |= {pack_name(row["patient"], row["image"]) for row in own}
        if pull.snapshot and own:
            origins |= _in_other_forms(pull.snapshot, {row["file"] for row in own}, evidence)
    links = {link for steps in locks for step in steps.values() for link in [*step.outputs, *step.inputs]}
    shown = {link for steps in locks for pull in held & set(_pulls(steps)) for link in _showing(steps, pull, evidence)}
    chosen = _in_folders(links, names, evidence) | origins | {link.md5: link.path for link in shown}
    return Blobs(dict(sorted(chosen.items(), key=lambda item: item[1])), sorted(missing))


def _in_folders(links: Iterable[Link], names: Mapping[str, set[str]], evidence: Evidence) -> dict[str, str]:
    """Return md5 -> path of the files in a data set's folders that have one of its `names`, and no other name."""
    own: dict[str, str] = {}
    others: set[str] = set()
    for link in links:
        places = {data_set: (f"data/{data_set}/", f"data/incoming/{data_set}") for data_set in names}
        data_set = next((one for one, place in places.items() if link.path.startswith(place)), None)
        members = evidence.store.members(link.md5) if data_set and link.md5.endswith(".dir") else None
        for name, md5 in (members or {}).items():
            stem = PurePath(name).stem
            if {name, stem, stem.rpartition("__")[0]} & names[data_set or ""]:
                own[md5] = min(own.get(md5, f"{link.path}/{name}"), f"{link.path}/{name}")
            else:
                others.add(md5)
    return {md5: path for md5, path in own.items() if md5 not in others}


def _in_other_forms(snapshot: Link, files: set[str], evidence: Evidence) -> dict[str, str]:
    """Return md5 -> path of a snapshot's archives, and of its DICOM files that became one of these images.

    A DICOM file's images are named after a keyed hash of its bytes (`intake`).
    """
    found = {}
    check = evidence.history.top / CHECK
    pseudonyms = Pseudonyms.from_environment(check) if VARIABLE in os.environ and has_check_value(check) else None
    made_of = {PurePath(file).stem[:LENGTH] for file in files}
    for name, md5 in (evidence.store.members(snapshot.md5) or {}).items():
        path = evidence.store.cached(md5)
        if name.lower().endswith((".zip", *TAR_ENDINGS)):
            found[md5] = f"{snapshot.path}/{name}"
        elif pseudonyms and path and path.is_file():
            with path.open("rb") as stream:
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            if pseudonyms.of("file", sha256) in made_of:
                found[md5] = f"{snapshot.path}/{name}"
    return found


def _showing(steps: Mapping[str, Step], pull: _Pull, evidence: Evidence) -> Iterator[Link]:
    """Yield what a run made of a data set that shows pictures of it, whosever they are."""
    maps = (folder(pull.data_set, "evaluate") / "anatomy").as_posix()
    for link in (link for step in steps.values() for link in step.outputs):
        if link.path in (gathered(pull.data_set).as_posix(), PAGE.as_posix()):
            yield link
        elif link.path == maps:
            for name, md5 in (evidence.store.members(link.md5) or {}).items():
                if name.endswith(".svg"):
                    yield Link(f"{maps}/{name}", md5, link.made_by)


def _pulls(steps: Mapping[str, Step]) -> Iterator[_Pull]:
    """Yield the pulls of a lock, but not those of phantom images."""
    for data_set in data_sets(steps):
        step, table = steps[f"pull@{data_set}"], (folder(data_set, "pull") / "manifest.csv").as_posix()
        if flat(step.parameters).get(f"pull.{data_set}.source") == "phantom":
            continue
        snapshot = next((link for link in step.inputs if link.path.startswith(f"data/incoming/{data_set}")), None)
        yield from (_Pull(data_set, link, snapshot) for link in step.outputs if link.path == table)
