"""Where a file came from, by its bytes alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.lineage.evidence import Evidence, Rows, split_table
from sonotrace.places import REPORTS
from sonotrace.records.history import LOCK, Commit, Lock
from sonotrace.records.lock import Link, Step, ancestors, data_sets, flat, roles
from sonotrace.records.store import md5_of


@dataclass(frozen=True)
class Origin:
    """One way in which the bytes came to be."""

    path: str
    """Where the stage had them."""
    role: str
    """`output` of the stage, or `input` where no stage wrote them."""
    stage: str
    steps: list[Step]
    """From the stage back to the data, nearest first."""
    commits: list[Commit]
    """That hold it, newest first; none where only the workspace's lock names it."""
    is_uncommitted: bool
    """Whether the workspace's lock, which no commit holds, names it."""
    snapshots: Mapping[str, Mapping[str, Any] | None]
    """Data set -> what pull said of its snapshot; None where that is not here."""
    splits: Mapping[str, Mapping[str, Any] | None]
    """Data set -> side -> counts of patients and images; None where that is not here."""
    sides: Mapping[str, Rows | None] | None = None
    """Data set -> image, patient and side of every image, if asked for; None where the table is not here."""
    verified: Mapping[str, str] | None = None
    """Path -> `verified`, `altered` or `missing`, if asked for."""


@dataclass(frozen=True)
class FileLineage:
    """All that git and DVC know of a file's bytes."""

    file: str
    md5: str
    origins: list[Origin]
    """Empty where no lock that was seen names the bytes."""
    missing: list[str]
    """What could not be seen, each with a remedy; with none, no origins means that there are none."""
    notes: list[str]


def of_file(file: Path, repo: Path, with_tables: bool = False, verify: bool = False) -> FileLineage:
    """Return all that git and DVC know of the bytes of `file`; its name and place do not matter.

    With `with_tables`, also the images and patients of each side; with `verify`, every link of the chain is
    hashed again where it is present. Raises SonotraceError where there is no such file.
    """
    if not file.is_file():
        problem = "is a folder" if file.is_dir() else "no such file"
        raise SonotraceError(f"{file}: {problem}; name a file, its name and place do not matter")
    return of_md5(file.name, md5_of(file), Evidence(repo), with_tables, verify)


def of_md5(name: str, md5: str, evidence: Evidence, with_tables: bool = False, verify: bool = False) -> FileLineage:
    """Return all that git and DVC know of the bytes with this md5, of a file called `name`."""
    origins = []
    for path, role, chain, locks in _ways(md5, evidence):
        committed = [lock for lock in locks if lock.is_committed]
        lock = (committed or locks)[0]
        commits = {commit.id: commit for one in committed for commit in one.commits}
        links = {(link.path, link.md5): link for step in chain for link in step.links}
        outputs = {link.path: link for step in chain for link in step.outputs}
        own = data_sets({step.stage: step for step in chain})
        tables = [data_set for data_set in own if split_table(data_set) in outputs]
        origins.append(
            Origin(
                path=path,
                role=role,
                stage=chain[0].stage,
                steps=chain,
                commits=[commit for commit in evidence.history.commits.values() if commit.id in commits],
                is_uncommitted=len(committed) < len(locks),
                snapshots=_reports("snapshot.json", own, outputs, lock, evidence),
                splits=_reports("split.json", own, outputs, lock, evidence),
                sides={one: _sides(outputs[split_table(one)], evidence) for one in tables} if with_tables else None,
                verified=_verified(list(links.values()), lock, locks, evidence) if verify else None,
            )
        )
    missing = evidence.missing() + ([] if origins else _unlisted(evidence))
    return FileLineage(name, md5, origins, missing, evidence.notes())


def _ways(md5: str, evidence: Evidence) -> list[tuple[str, str, list[Step], list[Lock]]]:
    """Return path, role and steps of each way in which the bytes came to be, with the locks that hold it."""
    found: dict[str, tuple[str, str, list[Step], list[Lock]]] = {}
    for hashed, inside in ({md5: ""} | evidence.store.folders_holding(md5)).items():
        for lock in evidence.history.holding(hashed):
            steps = evidence.steps(lock)
            for step, link, role in roles(steps, hashed):
                path = f"{link.path}/{inside}" if inside else link.path
                chain = ancestors(steps, step.stage)
                key = repr((path, role, [(one.stage, one.command, _own(one), one.inputs, one.code) for one in chain]))
                found.setdefault(key, (path, role, chain, []))[3].append(lock)
    return list(found.values())


def _own(step: Step) -> str:
    return json.dumps(flat(step.parameters), sort_keys=True)


def _reports(
    name: str, own: list[str], outputs: Mapping[str, Link], lock: Lock, evidence: Evidence
) -> dict[str, Mapping[str, Any] | None]:
    paths = {data_set: (REPORTS / data_set / name).as_posix() for data_set in own}
    return {data_set: evidence.report(outputs[path], lock) for data_set, path in paths.items() if path in outputs}


def _sides(table: Link, evidence: Evidence) -> Rows | None:
    rows = evidence.store.table(table)
    return None if rows is None else [{key: row[key] for key in ("image", "patient", "side")} for row in rows]


def _verified(links: list[Link], lock: Lock, locks: list[Lock], evidence: Evidence) -> dict[str, str]:
    history = evidence.history
    current = history.top / LOCK
    is_current = current.is_file() and current.read_bytes() in {one.text for one in locks}
    # What an uncommitted lock names is likeliest as the last commit has it.
    commits = [commit.id for commit in lock.commits] or (["HEAD"] if history.commits else [])
    return {link.path: evidence.store.verify(link, commits, is_current) for link in links}


def _unlisted(evidence: Evidence) -> list[str]:
    """Say how many folders' lists of files are not here: the bytes may be in one of those folders."""
    folders = evidence.history.folders()
    absent = sum(evidence.store.members(f"{md5}.dir") is None for md5 in folders)
    if not absent:
        return []
    unlisted = f"{absent} of {len(folders)} folders were not looked into, as DVC's lists of their files are not here"
    return [f"{unlisted}; {evidence.remedy()}"]
