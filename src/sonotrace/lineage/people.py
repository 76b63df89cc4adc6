"""Where a patient or an image was, in all of history, and which models know them."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sonotrace.lineage.evidence import Evidence, Rows, split_table
from sonotrace.patients.folds import fold_of, fold_of_group, groups
from sonotrace.patients.pseudonyms import CHECK, VARIABLE, Pseudonyms, has_check_value
from sonotrace.records.history import Commit, Lock
from sonotrace.records.lock import Link, Step, data_sets, flat, models

HELD_OUT = "held out"
"""Not a side of a split: the fold that a net of a cross-validation was not trained on."""
SIDES = ("train", "val", "test", HELD_OUT)


@dataclass
class Appearance:
    """A split of a data set that has the patient or the image."""

    data_set: str
    split_md5: str
    sides: Mapping[str, list[str]]
    """Side -> images."""
    commits: list[Commit] = field(default_factory=list)
    is_uncommitted: bool = False


@dataclass
class ModelUse:
    """A model that was trained or measured with a split that has the patient or the image."""

    path: str
    md5: str
    data_set: str
    sides: list[str]
    """Those that have them: `train`, `val`, and `test` if the model was tested on that split; or HELD_OUT."""
    commits: list[Commit] = field(default_factory=list)
    is_uncommitted: bool = False


@dataclass(frozen=True)
class PersonLineage:
    """Where a patient or an image was, and which models know them."""

    column: str
    """`patient` or `image`."""
    value: str
    held: list[Appearance]
    models: list[ModelUse]
    unseen: int
    """Splits whose table is not here."""
    missing: list[str]
    """What could not be seen, each with a remedy; with none, the answer is the whole truth."""
    notes: list[str]

    @property
    def claims_too_much(self) -> bool:
        """Return whether an absence was found that something not seen could refute."""
        return bool(self.missing) and not (self.held and self.models)


def of_person(column: str, value: str, repo: Path) -> PersonLineage:
    """Return where a patient or an image (`column`) was, in every commit, branch, experiment and the workspace.

    Every split counts that a lock names, also one that only a training read, since the lock of a commit may
    have a later split than its models. Raises SonotraceError where the environment's patient key is not the
    project's.
    """
    evidence = Evidence(repo)
    names, unasked = names_of(value, evidence.history.top) if column == "patient" else ({value}, [])
    tables: dict[tuple[str, str], dict[str, list[str]] | None] = {}
    dealt: dict[tuple[str, str], Dealt] = {}
    held: dict[tuple[str, str], Appearance] = {}
    known: dict[str, ModelUse] = {}
    for lock in evidence.history.locks:
        steps = evidence.steps(lock, ("pull@", "split@", "train_", "evaluate"))
        for data_set, split in _splits(steps):
            table = split.path, split.md5
            if table not in tables:
                rows = evidence.store.table(split)
                tables[table] = _by_side(rows, column, names)
                dealt[table] = _dealt(rows or (), column, names)
            sides = tables[table]
            if not sides:
                continue
            _note(held.setdefault(table, Appearance(data_set, split.md5, sides)), lock)
            for model, known_sides in _models(steps, split):
                own = _learned(steps[model.made_by], sides.keys() & known_sides, dealt[table])
                if own:
                    use = known.setdefault(model.md5, ModelUse(model.path, model.md5, data_set, []))
                    use.sides = [side for side in SIDES if side in own.union(use.sides)]
                    _note(use, lock)
    unseen = sum(table is None for table in tables.values())
    missing = evidence.missing() + ([] if held else unasked)
    if unseen:
        missing.append(f"{unseen} of {len(tables)} split tables are not in this clone; {evidence.remedy()}")
    return PersonLineage(column, value, list(held.values()), list(known.values()), unseen, missing, evidence.notes())


def names_of(patient: str, top: Path) -> tuple[set[str], list[str]]:
    """Return the names a patient may have in tables, by the id and by its pseudonym, and what that left unseen.

    Raises SonotraceError where the environment's key is not the project's.
    """
    check = top / CHECK
    if VARIABLE not in os.environ:
        missing = f"{VARIABLE} is not set: patients from DICOM files were looked up by pseudonym, not by their own id"
        return {patient}, [missing] if has_check_value(check) else []
    if not has_check_value(check):
        return {patient}, []
    return {patient, Pseudonyms.from_environment(check).of("patient", patient)}, []


def _note(found: Appearance | ModelUse, lock: Lock) -> None:
    found.is_uncommitted |= not lock.is_committed
    found.commits += lock.commits


def _splits(steps: Mapping[str, Step]) -> Iterator[tuple[str, Link]]:
    """Yield data set and table of each split that a lock names, each once."""
    for data_set in data_sets(steps):
        path = split_table(data_set)
        links = {link.md5: link for step in steps.values() for link in [*step.outputs, *step.inputs]
                 if link.path == path}  # fmt: skip
        yield from ((data_set, link) for link in links.values())


def _by_side(rows: Rows | None, column: str, names: set[str]) -> dict[str, list[str]] | None:
    if rows is None:
        return None
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row[column] in names:
            found[row["side"]].append(row["image"])
    return dict(found)


def _models(steps: Mapping[str, Step], split: Link) -> Iterator[tuple[Link, set[str]]]:
    """Yield the models that were trained or tested on a split, with the sides of it that each knows."""
    readers = [step for step in steps.values() if _reads(step, split)]
    for made in (model for step in steps.values() for model in models(step)):
        was_trained = any(made in models(step) for step in readers)
        known = {"train", "val"} if was_trained else set()
        if any(_reads(step, made) for step in readers):
            known.add("test")
        if known:
            yield made, known


@dataclass(frozen=True)
class Dealt:
    """What decides into which folds of a cross-validation the patients asked about were dealt."""

    patients: set[str]
    groups: Mapping[str, Mapping[str, str]]
    """Scanner or site -> patient -> that of the patient, for all patients that may be learnt from."""

    def folds(self, by: str, salt: str, count: int) -> set[int]:
        """Return the folds of the patients asked about."""
        if by == "patient":
            return {fold_of(patient, salt, count) for patient in self.patients}
        own = self.groups[by]
        return {fold_of_group(own[patient], own.values()) for patient in self.patients if patient in own}


def _dealt(rows: Rows | tuple[()], column: str, names: set[str]) -> Dealt:
    learnt = [row for row in rows if row["side"] != "test"]
    return Dealt(
        {row["patient"] for row in rows if row[column] in names},
        {by: groups((row["patient"], row.get(by, "")) for row in learnt) for by in ("scanner", "site")},
    )


def _learned(step: Step, sides: set[str], dealt: Dealt) -> set[str]:
    """Return what a model is to those sides: folds are dealt from train and val alike, and one of them is held out."""
    stage, _, item = step.stage.partition("@")
    of_fold = stage in ("train_cnn_fold", "train_yolo_fold")
    if not (of_fold or stage in ("train_ensemble", "train_distilled")) or not sides & {"train", "val"}:
        return sides
    own = "train"
    if of_fold:
        data_set, fold, _ = item.split("-")
        parameters = flat(step.parameters)
        count, salt = len(parameters["folds.numbers"]), str(parameters[f"split.{data_set}.salt"])
        if dealt.folds(str(parameters.get("folds.by", "patient")), salt, count) <= {int(fold)}:
            own = HELD_OUT
    return sides - {"train", "val"} | {own}


def _reads(step: Step, read: Link) -> bool:
    return any((link.path, link.md5) == (read.path, read.md5) for link in step.inputs)
