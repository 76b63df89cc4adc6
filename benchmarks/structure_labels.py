"""What comes from tighter labels, and what from the net: `python benchmarks/structure_labels.py EXPORTED RECOVERED`.

EXPORTED and RECOVERED are checkouts with the same export of structures, dealt into the same folds, whose folds were
trained (`folds.box_data_sets: [structures]`, docs/folds.md): EXPORTED with `validate.structures.copies: keep`, the
other with `recover`. Each net predicts the images of its own fold, in both forms, and is scored by the labels of each.
Prints a Markdown table: all structures, over all folds, with 95 % intervals over patients.
"""

import argparse
import contextlib
from pathlib import Path

import pandas as pd

from sonotrace.images.packs import stored_in
from sonotrace.images.preparation import Preparation
from sonotrace.models.detector import load as load_detector
from sonotrace.models.detector import predictions
from sonotrace.params import load
from sonotrace.params.evaluate import EvaluateStructures
from sonotrace.patients.folds import with_folds
from sonotrace.places import fold_model, folder
from sonotrace.running import environment
from sonotrace.scores.localisation import by_structure
from sonotrace.scores.structures import metrics
from sonotrace.tables import read_table

DATA_SET = "structures"


def asked(nets: Path, images: Path, folds: list[int]) -> list[str]:
    """Return the cells of a row: nets of one checkout on the images, and by the labels, of another."""
    with contextlib.chdir(images):
        params = load()
        split = read_table(folder(DATA_SET, "split") / "split.csv")
        table = with_folds(DATA_SET, split, params.split[DATA_SET].salt, len(params.folds.numbers))
        boxes = read_table(folder(DATA_SET, "prepare") / "boxes.csv")
    prepared = stored_in(images / folder(DATA_SET, "prepare") / "images")
    found = []
    table = table[table["fold"].isin(folds or params.folds.numbers)].reset_index(drop=True)
    for fold in folds or params.folds.numbers:
        seed = params.folds.seeds[0]
        path = nets / fold_model(DATA_SET, fold, seed, ".pt")
        detector = load_detector(path.read_bytes(), path)
        own = table[table["fold"] == fold].reset_index(drop=True)
        found.append(predictions(detector, own, prepared))
    together = pd.concat(found, ignore_index=True)
    stated, preparation = params.evaluate[DATA_SET], params.prepare[DATA_SET].model_dump()
    if not isinstance(stated, EvaluateStructures):
        raise SystemExit(f"{images}: {DATA_SET} has no boxes")
    scores = metrics(together, table, boxes, stated)[1]["overall"]
    tight = by_structure(together, table, boxes, Preparation.from_mapping(preparation), stated)
    figures = [scores["map50"], tight["ap_by_iou"]["0.75"]["all"], scores["map50_95"]]
    figures += [scores["recall_at_1_false_box"], tight["more_than_anatomy"]["all"]]
    cells = [f"{100 * one['value']:.1f} [{100 * one['low']:.1f}, {100 * one['high']:.1f}]" for one in figures]
    distance = tight["distance_px"]["all"]
    return [str(len(table)), *cells, f"{distance['value']:.1f} [{distance['low']:.1f}, {distance['high']:.1f}]"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exported", type=Path)
    parser.add_argument("recovered", type=Path)
    parser.add_argument("--folds", type=int, nargs="+", default=[], help="only these, where not all were trained")
    given = parser.parse_args()
    environment.isolate()
    environment.use_threads(1)
    checkouts = {"as exported": given.exported.resolve(), "recovered": given.recovered.resolve()}
    titles = ["learned from", "scored by", "n", "mAP50", "mAP75", "mAP50-95", "recall at one false box", "too many"]
    print(f"| {' | '.join([*titles, 'off by, px'])} |\n|{' --- |' * (len(titles) + 1)}")
    for learned, nets in checkouts.items():
        for scored_by, images in checkouts.items():
            print(f"| {' | '.join([learned, scored_by, *asked(nets, images, given.folds)])} |", flush=True)


if __name__ == "__main__":
    main()
