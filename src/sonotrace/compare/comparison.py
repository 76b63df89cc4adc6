"""All that differs between two states of the project."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sonotrace.compare import data, images, scores, settings, statistics
from sonotrace.compare.data import Data
from sonotrace.compare.revisions import Revision, both
from sonotrace.compare.scores import Scores
from sonotrace.compare.settings import Settings
from sonotrace.kinds.kind import Kind


@dataclass(frozen=True)
class State:
    """One of the two states."""

    name: str
    """As the user gave it."""
    commit: str
    """Id of the commit; empty for the workspace."""
    notes: list[str]
    """What could not be read, and what to do about it."""


@dataclass(frozen=True)
class DataSet:
    """How one data set and its model differ."""

    name: str
    data: Data | str
    """The reason, as text, if the images cannot be compared."""
    scores: Scores


@dataclass(frozen=True)
class Comparison:
    """All that differs between two states; it has counts and names no patient."""

    a: State
    b: State
    settings: Settings
    data_sets: list[DataSet]

    @property
    def worse(self) -> list[str]:
        """Name the primary scores that are significantly worse in B, as `planes macro_f1`."""
        return [f"{one.name} {one.scores.primary}" for one in self.data_sets if one.scores.is_worse]


def compare(a: str, b: str, repo: Path) -> tuple[Comparison, pd.DataFrame]:
    """Compare two states of the repository that contains `repo`.

    Return the comparison, and the list of images that differ, which names patients. The data sets are
    those that either state has pulled. Raises SonotraceError if a state does not exist.
    """
    one, other = both(a, b, repo)
    differing = settings.differences(one, other)
    data_sets, lists = [], []
    for name in dict.fromkeys([*other.data_sets, *one.data_sets]):
        data_set, table = _data_set(name, one, other)
        data_sets.append(data_set)
        if table is not None:
            lists.append(images.listed(table, name))
    listed = pd.concat(lists, ignore_index=True) if lists else pd.DataFrame({"data_set": [], "changes": []})
    return Comparison(_state(one), _state(other), differing, data_sets), listed


def _state(revision: Revision) -> State:
    outdated = revision.outdated()
    return State(revision.name, revision.commit, [*([outdated] if outdated else []), *revision.notes])


def _data_set(name: str, one: Revision, other: Revision) -> tuple[DataSet, pd.DataFrame | None]:
    """Compare one data set; return also the table of its images, or None where there is none."""
    if name not in one.data_sets or name not in other.data_sets:
        where, revision = ("A", one) if name in one.data_sets else ("B", other)
        return _apart(name, revision.kind(name), f"only {where} has this data set"), None
    kinds = one.kind(name), other.kind(name)
    if kinds[0].name != kinds[1].name:
        return _apart(name, kinds[1], f"it has {kinds[0].name} in A and {kinds[1].name} in B"), None
    before, after = images.images_of(one, name), images.images_of(other, name)
    if before is None or after is None:
        reason = "an image table cannot be read; the notes say which"
        return DataSet(name, reason, scores.compared(name, kinds[1], one, other, None)), None
    table = images.joined(before, after)
    shifts = statistics.shifts(statistics.measured(one, name, before), statistics.measured(other, name, after), table)
    return DataSet(name, data.counted(table, shifts), scores.compared(name, kinds[1], one, other, table)), table


def _apart(name: str, kind: Kind, reason: str) -> DataSet:
    return DataSet(name, reason, Scores(kind.primary, reason, None))
