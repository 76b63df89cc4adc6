"""audit-labels: doubt labels and find near-duplicates.

Needs `split.csv` and the prepared images of the data set audited, and searches those of the others for
near-duplicates where they are prepared; leaves `labels.csv`, `duplicates.csv` and their contact sheets in a folder.
"""

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd

from sonotrace.audit import sheet
from sonotrace.audit.duplicates import COLUMNS, differing_pairs, fingerprints
from sonotrace.audit.folds import already_said, folds_of, out_of_fold
from sonotrace.audit.labels import ranked
from sonotrace.errors import SonotraceError
from sonotrace.images.packs import stored_in
from sonotrace.params import Params, load
from sonotrace.places import folder
from sonotrace.running.outputs import building, write_csv
from sonotrace.running.progress import bar, say
from sonotrace.tables import read_table

_OURS = re.compile(r"(labels|duplicates)(\.csv|(-\d+)?\.png)")


def run(out: Path, folds: int, data_set: str) -> None:
    """Audit the labels of `data_set`, find near-duplicates in all data sets, and write the findings into `out`."""
    params = load()
    settings, kind = params.train_cnn[data_set], params.kind(data_set)
    check_free(out)
    table = read_table(folder(data_set, "split") / "split.csv")
    names = tuple(name for name in kind.classes(table["label"]) if (table["label"] == name).any())
    said = already_said(data_set, table, names, params)
    fold = folds_of(data_set, table, folds, settings.seed) if said is None else np.empty(0, np.int64)
    pairs = _duplicates(data_set, params)
    images = f"{len(table)} images of {table['patient'].nunique()} patients"
    if said is None:
        say(f"audit-labels: {folds} trainings, {settings.architecture} net, {settings.epochs} epochs, on {images}")
        said = out_of_fold(data_set, table, names, fold, params)
    else:
        say(f"audit-labels: {images}, by what the nets of train_cnn_fold said of them; nothing is trained")
    labels = ranked(table, names, said)
    with building(out) as target:
        target.mkdir()
        write_csv(labels, target / "labels.csv")
        write_csv(pairs, target / "duplicates.csv")
        doubted = _label_tiles(data_set, labels)
        sheet.write(doubted, "suspected labels, given > suggested", 5, target, "labels")
        sheet.write(_pair_tiles(pairs), "near-duplicates that differ", 3, target, "duplicates")
    say(f"audit-labels: labels suspected: {len(doubted)} of {len(labels)}, in {out}/labels.csv")
    say(f"audit-labels: near-duplicates that differ, in pairs: {len(pairs)}, in {out}/duplicates.csv")
    if doubted or len(pairs):
        say(f"audit-labels: look at the pictures in {out}; docs/audit-labels.md says how to go on")


def check_free(out: Path) -> None:
    """Raise SonotraceError where `out` holds anything that this command did not write: it will be replaced."""
    if out.exists() and not out.is_dir():
        raise SonotraceError(f"{out}: a file, not a folder; name another folder")
    foreign = sorted(path.name for path in out.iterdir() if not _OURS.fullmatch(path.name)) if out.exists() else []
    if foreign:
        raise SonotraceError(f"{out}: holds {foreign[0]}, which is not of audit-labels; name a new or empty folder")


def _duplicates(audited: str, params: Params) -> pd.DataFrame:
    """Return the differing near-duplicates of each data set that is prepared; the one `audited` has to be."""
    tables = [pd.DataFrame(columns=COLUMNS)]
    for data_set in params.data_sets:
        split, images = folder(data_set, "split") / "split.csv", folder(data_set, "prepare") / "images"
        if data_set != audited and not (split.exists() and images.exists()):
            say(f"audit-labels: {data_set} is not prepared, so it is not searched for near-duplicates")
            continue
        table = read_table(split)
        with bar("near-duplicates", len(table)) as advance:
            prepared = stored_in(images)
            prints = fingerprints([prepared[image] for image in table["image"]], advance)
        tables.append(differing_pairs(data_set, table, prints))
    return pd.concat([part for part in tables if len(part)] or tables[:1], ignore_index=True)


def _label_tiles(data_set: str, labels: pd.DataFrame) -> list[sheet.Tile]:
    images = stored_in(folder(data_set, "prepare") / "images")
    return [
        sheet.Tile(
            (images[str(row.image)],),
            (f"{row.rank}. {row.label} > {row.suggested}", f"score {row.score:.3f}, {row.side}", str(row.image)),
        )
        for row in labels[labels["suspected"] == "true"].itertuples()
    ]


def _pair_tiles(pairs: pd.DataFrame) -> list[sheet.Tile]:
    tiles = []
    prepared = {name: stored_in(folder(name, "prepare") / "images") for name in sorted(set(pairs["data_set"]))}
    for number, row in zip(itertools.count(1), pairs.itertuples()):
        images = prepared[str(row.data_set)]
        tiles.append(
            sheet.Tile(
                (images[str(row.image_a)], images[str(row.image_b)]),
                (
                    f"{number}. {row.distance} bits apart; differ in {str(row.differs).replace(' ', ', ')}",
                    " ".join(str(word) for word in (row.image_a, row.label_a, row.side_a)),
                    " ".join(str(word) for word in (row.image_b, row.label_b, row.side_b)),
                ),
            )
        )
    return tiles
