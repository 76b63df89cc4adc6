"""Who is new and who is gone since the split of the last commit, in numbers."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from sonotrace.places import folder
from sonotrace.records.last import LastCommit
from sonotrace.records.remotes import has_remote
from sonotrace.tables import SIDES


def news(data_set: str, source: str, table: pd.DataFrame, last: LastCommit) -> Iterator[str]:
    """Yield one sentence per side that changed; the ids are in the tables.

    Nothing is said if the last commit has no split, as before a first run, or if its table is neither
    here nor in any remote. This is printed and written nowhere, since it depends on DVC's cache.
    """
    path = folder(data_set, "split") / "split.csv"
    ran_with = last.parameters(f"pull@{data_set}").get(f"pull.{data_set}.source")
    if ran_with is None:
        return
    if ran_with != source:
        yield f"the last commit split patients of {ran_with}, so every patient of {source} is new"
        return
    before = last.table(f"split@{data_set}", path)
    if before is None:
        if has_remote(Path()):
            yield (
                f"who is new is unknown, since the last commit's {path} is not in DVC's cache; "
                f"`dvc fetch --all-commits {path}` brings it"
            )
        return
    changed = changes(pd.DataFrame(before, columns=["image", "patient", "side"], dtype=str), table)
    if not changed:
        yield "nobody is new or gone since the last commit"
    for side, (patients, images, patients_gone, images_gone) in changed.items():
        yield (
            f"{side} since the last commit: {patients} patients and {images} images are new, "
            f"{patients_gone} patients and {images_gone} images are gone"
        )


def changes(before: pd.DataFrame, now: pd.DataFrame) -> dict[str, tuple[int, int, int, int]]:
    """Return, for each side that changed, how many patients and images are new, and how many are gone.

    A patient who changed sides is gone from one and new on the other.
    """
    changed = {}
    for side in SIDES:
        old, new = (rows[rows["side"] == side] for rows in (before, now))
        counts = [len(set(b[key]) - set(a[key])) for a, b in ((old, new), (new, old)) for key in ("patient", "image")]
        if any(counts):
            changed[side] = (counts[0], counts[1], counts[2], counts[3])
    return changed
