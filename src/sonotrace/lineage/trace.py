"""What is known of a file, by its bytes alone; and of a patient or an image, in all of history."""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.patients.pseudonyms import CHECK, LENGTH, VARIABLE, Pseudonyms, has_check_value
from sonotrace.places import DATA_SETS, REPORTS, folder
from sonotrace.records.history import LOCK, History
from sonotrace.records.lock import Link, Step, ancestors, flat, roles, steps
from sonotrace.records.store import Store, md5_of
from sonotrace.sources.transfer.archives import TAR_ENDINGS

USE = {"train": "trained on", "val": "tuned on", "test": "tested on"}
"""What a model did with the images of each side."""


def of_file(file: Path, repo: Path, with_tables: bool = False, verify: bool = False) -> dict[str, Any]:
    """Return all that git and DVC know of the bytes of `file`.

    `origins` has one entry for each way in which these bytes came to be, with all commits that hold it,
    newest first, and the steps from the file back to the data, nearest first; it is empty for unknown
    bytes. `notes` says what could not be seen.
    """
    if not file.is_file():
        problem = "is a folder" if file.is_dir() else "no such file"
        raise SonotraceError(f"{file}: {problem}; name a file, its name and place do not matter")
    history = History(repo)
    store = Store(history)
    md5 = md5_of(file)
    wanted = {md5: ""} | store.folders_holding(md5)
    origins: dict[str, Any] = {}
    for hashed, inside in wanted.items():
        for blob in history.holding(hashed):
            found = steps(history.lock(blob))
            for step, link, role in roles(found, hashed):
                path = f"{link.path}/{inside}" if inside else link.path
                chain = ancestors(found, step.stage)
                origin = {"path": path, "role": role, "stage": step.stage, "steps": [_described(one) for one in chain]}
                key = json.dumps(origin, sort_keys=True)
                if key not in origins:
                    origins[key] = origin | {"commits": []} | _details(chain, blob, history, store, with_tables, verify)
                origins[key]["commits"] += [asdict(history.commits[commit]) for commit in history.locks[blob]]
    order = {commit: at for at, commit in enumerate(history.commits)}
    for origin in origins.values():
        origin["commits"].sort(key=lambda commit: order[commit["id"]])
    return {"file": file.name, "md5": md5, "origins": list(origins.values()), "notes": _notes(history, store)}


def _described(step: Step) -> dict[str, Any]:
    return {
        "stage": step.stage,
        "command": step.command,
        "parameters": flat(step.parameters),
        "code": [asdict(link) for link in step.code],
        "inputs": [asdict(link) for link in step.inputs],
    }


def _details(
    chain: list[Step], blob: str, history: History, store: Store, with_tables: bool, verify: bool
) -> dict[str, Any]:
    commits = history.locks[blob]
    found: dict[str, Any] = {"snapshots": _snapshots(chain, commits[-1], history)}
    if with_tables:
        found["sides"] = {data_set: _sides(chain, data_set, store) for data_set in DATA_SETS if _split(chain, data_set)}
    if verify:
        links = {(link.path, link.md5): link for step in chain for link in step.links}
        lock = history.top / LOCK
        current = lock.is_file() and lock.read_bytes() == history.texts[blob]
        found["verified"] = {link.path: store.verify(link, commits, current) for link in links.values()}
    return found


def _snapshots(chain: list[Step], commit: str, history: History) -> dict[str, Any]:
    """Return data set -> what pull said of the snapshot, from git."""
    found = {}
    for data_set in DATA_SETS:
        path = (REPORTS / data_set / "snapshot.json").as_posix()
        if any(link.path == path for step in chain for link in step.outputs):
            content = history.file(commit, path)
            found[data_set] = json.loads(content) if content else None
    return found


def _split(chain: list[Step], data_set: str) -> Link | None:
    path = (folder(data_set, "split") / "split.csv").as_posix()
    return next((link for step in chain for link in step.outputs if link.path == path), None)


def _sides(chain: list[Step], data_set: str, store: Store) -> list[dict[str, str]] | None:
    """Return image, patient and side of every image, or None where the table is not present."""
    link = _split(chain, data_set)
    rows = store.table(link) if link else None
    return None if rows is None else [{key: row[key] for key in ("image", "patient", "side")} for row in rows]


def names_of(patient: str, top: Path) -> tuple[set[str], list[str]]:
    """Return the names a patient may have in tables, by the id and by its pseudonym, and what that left unseen.

    Raises SonotraceError where the environment's key is not the project's.
    """
    check = top / CHECK
    if VARIABLE not in os.environ:
        note = f"{VARIABLE} is not set: patients from DICOM files were looked up by pseudonym only, not by their own id"
        return {patient}, [note] if has_check_value(check) else []
    if not has_check_value(check):
        return {patient}, []
    return {patient, Pseudonyms.from_environment(check).of("patient", patient)}, []


def of_person(column: str, value: str, repo: Path) -> dict[str, Any]:
    """Return where a patient or an image (`column`) stood, in every commit, branch and experiment.

    `held` has one entry for each data set and split that held them, with side, images and commits, and
    `models` one for each model trained, tuned or tested on them. Splits whose table is neither in the
    cache nor in the workspace are counted in `notes`.
    """
    history = History(repo)
    store = Store(history)
    names, notes = names_of(value, history.top) if column == "patient" else ({value}, [])
    tables: dict[str, dict[str, list[str]] | None] = {}
    held: dict[tuple[str, str], dict[str, Any]] = {}
    models: dict[str, dict[str, Any]] = {}
    for blob, commits in history.locks.items():
        found = steps(history.lock(blob, ("split@", "train_", "evaluate@")))
        for data_set in DATA_SETS:
            link = _split(list(found.values()), data_set)
            if link is None:
                continue
            if link.md5 not in tables:
                tables[link.md5] = _by_side(store.table(link), column, names)
            sides = tables[link.md5]
            if not sides:
                continue
            entry = held.setdefault(
                (data_set, link.md5), {"data_set": data_set, "split_md5": link.md5, "sides": sides, "commits": []}
            )
            entry["commits"] += [asdict(history.commits[commit]) for commit in commits]
            for model, users in _models(found, link):
                uses = [USE[side] for side in USE if side in sides and (side != "test" or users)]
                if uses:
                    known = models.setdefault(
                        model.md5,
                        {"path": model.path, "md5": model.md5, "data_set": data_set, "uses": [], "commits": []},
                    )
                    known["uses"] = [use for use in USE.values() if use in {*known["uses"], *uses}]
                    known["commits"] += [asdict(history.commits[commit]) for commit in commits]
    unseen = sum(table is None for table in tables.values())
    notes += _notes(history, store)
    if unseen:
        notes.append(
            f"{unseen} of {len(tables)} split tables are not in this clone; `dvc fetch --all-commits` brings them"
        )
    return {
        column: value,
        "unseen": unseen,
        "held": list(held.values()),
        "models": list(models.values()),
        "notes": notes,
    }


def blobs_of(patient: str, repo: Path) -> tuple[dict[str, str], list[str]]:
    """Return md5 -> path of every file that DVC may keep of a patient's images, and the image tables not here.

    Named by the image tables in the cache, in all of history: images as they came, prepared, augmented,
    and in the snapshot: plain images by name, DICOM files by the patient key, and whole archives, which
    hold others' images too. A file that another patient's images share byte by byte is left out. Tables
    of phantom images, which have no patients, are not asked for.
    """
    history = History(repo)
    store = Store(history)
    known, _ = names_of(patient, history.top)
    locks = [steps(history.lock(blob)) for blob in history.locks]
    links = {link for found in locks for step in found.values() for link in [*step.outputs, *step.inputs]}
    names: dict[str, set[str]] = {data_set: set() for data_set in DATA_SETS}
    unseen: set[str] = set()
    origins: dict[str, str] = {}
    for data_set, table, snapshot in {pulled for found in locks for pulled in _manifests(found)}:
        rows = store.table(table)
        if rows is None:
            unseen.add(f"{table.path} md5 {table.md5}")
        of_patient = [row for row in rows or [] if row["patient"] in known]
        for row in of_patient:
            names[data_set] |= {row["image"], row["file"]} - {""}
        if snapshot and of_patient:
            origins |= _in_other_forms(snapshot, {row["file"] for row in of_patient}, store, history.top)
    own: dict[str, str] = {}
    others: set[str] = set()
    for link in links:
        data_set = next(
            (one for one in DATA_SETS if link.path.startswith((f"data/{one}/", f"data/incoming/{one}"))), ""
        )
        for name, md5 in (store.members(link.md5) or {}).items() if data_set and link.md5.endswith(".dir") else ():
            stem = PurePath(name).stem
            if {name, stem, stem.rpartition("__")[0]} & names[data_set]:
                own[md5] = min(own.get(md5, f"{link.path}/{name}"), f"{link.path}/{name}")
            else:
                others.add(md5)
    chosen = {md5: path for md5, path in own.items() if md5 not in others} | origins
    return dict(sorted(chosen.items(), key=lambda item: item[1])), sorted(unseen)


def _in_other_forms(snapshot: Link, files: set[str], store: Store, top: Path) -> dict[str, str]:
    """Return md5 -> path of a snapshot's archives, and of its DICOM files that became one of these images.

    A DICOM file's images are named after a keyed hash of its bytes (`intake`).
    """
    found = {}
    with_key = VARIABLE in os.environ and has_check_value(top / CHECK)
    pseudonyms = Pseudonyms.from_environment(top / CHECK) if with_key else None
    made_of = {PurePath(file).stem[:LENGTH] for file in files}
    for name, md5 in (store.members(snapshot.md5) or {}).items():
        path = store.cached(md5)
        if name.lower().endswith((".zip", *TAR_ENDINGS)):
            found[md5] = f"{snapshot.path}/{name}"
        elif pseudonyms and path and path.is_file():
            with path.open("rb") as stream:
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            if pseudonyms.of("file", sha256) in made_of:
                found[md5] = f"{snapshot.path}/{name}"
    return found


def _manifests(found: dict[str, Step]) -> Iterable[tuple[str, Link, Link | None]]:
    """Yield data set, image table and, if DVC has it, snapshot of each pull from anything but phantom."""
    for data_set in DATA_SETS:
        step, table = found.get(f"pull@{data_set}"), (folder(data_set, "pull") / "manifest.csv").as_posix()
        if step and flat(step.parameters).get(f"pull.{data_set}.source") != "phantom":
            origin = next((link for link in step.inputs if link.path.startswith(f"data/incoming/{data_set}")), None)
            yield from ((data_set, link, origin) for link in step.outputs if link.path == table)


def _by_side(rows: list[dict[str, str]] | None, column: str, names: set[str]) -> dict[str, list[str]] | None:
    if rows is None:
        return None
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row[column] in names:
            found[row["side"]].append(row["image"])
    return dict(found)


def _models(found: dict[str, Step], split: Link) -> Iterable[tuple[Link, bool]]:
    """Yield the models trained on a split, and whether one was tested on it."""
    for step in found.values():
        if step.stage.startswith("train_") and any(link.md5 == split.md5 for link in step.inputs):
            for model in step.outputs:
                if model.path.startswith("models/"):
                    tested = any(
                        {model.md5, split.md5} <= {link.md5 for link in other.inputs} for other in found.values()
                    )
                    yield model, tested


def _notes(history: History, store: Store) -> list[str]:
    notes = []
    if history.is_shallow:
        notes.append("this clone is shallow: older commits were not seen; `git fetch --unshallow` brings them")
    if not any(name.startswith("experiment ") for commit in history.commits.values() for name in commit.names):
        notes.append("no experiment was seen; a clone gets those of its origin by `dvc exp pull`")
    if store.cache is None or not store.cache.is_dir():
        notes.append(
            "DVC's cache is not here: files inside folders, images and patients cannot be looked up; `dvc fetch`"
        )
    return notes
