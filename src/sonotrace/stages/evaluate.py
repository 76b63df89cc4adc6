"""evaluate: measure a model on the test side, by patient, with intervals.

Needs a model, `split.csv`, the prepared images and boxes, and `accepted.csv` of the data set that the model was
trained on: where that is another one, nobody may be in both. Leaves `metrics/<data set>.json` (headline
scores), `metrics/<data set>_low.json` and `_high.json` (the ends of their 95 % intervals),
`metrics/<data set>_detail.json` (all of it, and per class), `metrics/<data set>_groups.json` (by scanner, site and
label), `metrics/<data set>_localisation.json` (structures: how tight and how far off boxes are), `predictions.csv`
in `data/<data set>/evaluate`,
and curves in `plots/<data set>`, as tables and as pictures. Metrics are computed from the predictions as
written, so that they can be computed again without the model.

A classifier is also asked about changed versions of the images (`metrics/<data set>_robustness.json`, from
`changed.csv` in `data/<data set>/evaluate/anatomy`) and about a sample of them with parts covered: the maps are in
that folder over the images, which are patients', and among the plots without them.
"""

from pathlib import Path

import pandas as pd

from sonotrace import scores
from sonotrace.errors import SonotraceError
from sonotrace.images.packs import stored_in
from sonotrace.images.preparation import Preparation
from sonotrace.models import changed, occlusion
from sonotrace.models.use import require_same_preparation, user
from sonotrace.params import Params, load
from sonotrace.patients.apart import require_apart
from sonotrace.places import METRICS, PLOTS, folder
from sonotrace.running import environment
from sonotrace.running.outputs import building, write_bytes, write_csv, write_json
from sonotrace.running.progress import say
from sonotrace.scores import groups, localisation, pictures, robustness
from sonotrace.scores.maps import draw
from sonotrace.scores.report import files
from sonotrace.tables import CHANGED_COLUMNS, read_table


def run(data_set: str, model: bytes) -> None:
    """Evaluate a model, given its bytes, on the test side of `data_set`."""
    everything = load()
    params, kind = everything.evaluate[data_set], everything.kind(data_set)
    table = read_table(folder(data_set, "split") / "split.csv")
    test = table[table["side"] == "test"].reset_index(drop=True)
    if test.empty:
        raise SonotraceError(f"{data_set}: no test images; bring more patients or change split.{data_set}.salt")
    if params.trained_on != data_set:
        _require_cohort(data_set, model, test, everything)
    say(f"evaluate: {len(test)} {data_set} test images of {test['patient'].nunique()} patients")
    environment.use_threads(params.threads)
    environment.use_device(params.device)
    prepare = folder(data_set, "prepare")
    prepared = stored_in(prepare / "images")
    asked = user(kind).load(model, Path(params.model))
    predictions = user(kind).predictions(asked, test, prepared)
    write_csv(predictions, folder(data_set, "evaluate") / "predictions.csv")
    _require_known_classes(data_set, predictions, test, everything)
    boxes = read_table(prepare / "boxes.csv")
    headline, detail = scores.of(kind).metrics(predictions, test, boxes, params)
    for ending, content in files(headline, detail).items():
        write_json(content, METRICS / f"{data_set}{ending}.json")
    grouped = groups.by_group(kind, predictions, test, boxes, params)
    write_json(grouped, METRICS / f"{data_set}_groups.json")
    say(f"evaluate: {data_set}: {groups.worst_in_words(grouped)}")
    preparation = Preparation.from_mapping(everything.prepare[data_set].model_dump())
    tight = localisation.by_structure(predictions, test, boxes, preparation, params)
    write_json(tight, METRICS / f"{data_set}_localisation.json")
    if kind.has_boxes:
        say(f"evaluate: {data_set}: {localisation.in_words(tight)}")
    with building(PLOTS / data_set) as plots:
        plots.mkdir()
        for name, points in scores.of(kind).plots(predictions, test, boxes).items():
            write_csv(points, plots / f"{name}.csv")
            write_bytes(pictures.draw(name, points, data_set).encode(), plots / f"{name}.svg")
        maps = [] if kind.has_boxes else occlusion.maps(asked, test, prepared)
        if maps:
            write_bytes(draw(maps, data_set, with_images=False).encode(), plots / "occlusion.svg")
    with building(folder(data_set, "evaluate") / "anatomy") as anatomy:
        anatomy.mkdir()
        answers = pd.DataFrame(columns=list(CHANGED_COLUMNS))
        if not kind.has_boxes:
            answers = changed.predictions(asked, predictions, prepared)
            write_bytes(draw(maps, data_set, with_images=True).encode(), anatomy / "occlusion.svg")
        write_csv(answers, anatomy / "changed.csv")
    robust = robustness.by_change(kind, predictions, answers, params)
    write_json(robust, METRICS / f"{data_set}_robustness.json")
    if not kind.has_boxes:
        say(f"evaluate: {data_set}: {robustness.worst_in_words(robust)}")


def _require_cohort(data_set: str, model: bytes, test: pd.DataFrame, params: Params) -> None:
    """Raise SonotraceError unless the model knows nobody of `data_set`, which is prepared as the model needs it."""
    stated = params.evaluate[data_set]
    learned = read_table(folder(stated.trained_on, "validate") / "accepted.csv")
    require_apart(data_set, test, stated.trained_on, learned)
    prepared = params.prepare[data_set].model_dump()
    require_same_preparation(params.kind(data_set), model, Path(stated.model), data_set, prepared)


def _require_known_classes(data_set: str, predictions: pd.DataFrame, test: pd.DataFrame, params: Params) -> None:
    """Raise SonotraceError where images are labelled with a class that the model has no output for."""
    if params.kind(data_set).has_boxes:
        return
    unknown = sorted(set(test["label"]) - set(predictions.columns))
    if unknown:
        raise SonotraceError(
            f"params.yaml: validate.{data_set}.classes lets in {', '.join(unknown)}, which "
            f"{params.evaluate[data_set].model} does not know; set it to four"
        )
