"""evaluate: measure a model on the test side, by patient, with intervals.

Needs a model, `split.csv` and the prepared images and boxes; leaves `metrics/<data set>.json` (headline
scores), `metrics/<data set>_low.json` and `_high.json` (the ends of their 95 % intervals),
`metrics/<data set>_detail.json` (all of it, and per class), `predictions.csv` in `data/<data set>/evaluate`,
and curves in `plots/<data set>`, as tables and as pictures. Metrics are computed from the predictions as
written, so that they can be computed again without the model.
"""

from pathlib import Path

from sonotrace import scores
from sonotrace.errors import SonotraceError
from sonotrace.models.use import user
from sonotrace.params import load
from sonotrace.places import METRICS, PLOTS, folder
from sonotrace.running import environment
from sonotrace.running.outputs import building, write_bytes, write_csv, write_json
from sonotrace.running.progress import say
from sonotrace.scores import pictures
from sonotrace.scores.report import files
from sonotrace.tables import read_table


def run(data_set: str, model: bytes) -> None:
    """Evaluate a model, given its bytes, on the test side of `data_set`."""
    everything = load()
    params, kind = everything.evaluate[data_set], everything.kind(data_set)
    table = read_table(folder(data_set, "split") / "split.csv")
    test = table[table["side"] == "test"].reset_index(drop=True)
    if test.empty:
        raise SonotraceError(f"{data_set}: no test images; bring more patients or change split.{data_set}.salt")
    say(f"evaluate: {len(test)} {data_set} test images of {test['patient'].nunique()} patients")
    environment.use_threads(params.threads)
    environment.use_device(params.device)
    prepare = folder(data_set, "prepare")
    predictions = user(kind).predictions(model, Path(params.model), test, prepare / "images")
    write_csv(predictions, folder(data_set, "evaluate") / "predictions.csv")
    boxes = read_table(prepare / "boxes.csv")
    headline, detail = scores.of(kind).metrics(predictions, test, boxes, params)
    for ending, content in files(headline, detail).items():
        write_json(content, METRICS / f"{data_set}{ending}.json")
    with building(PLOTS / data_set) as plots:
        plots.mkdir()
        for name, points in scores.of(kind).plots(predictions, test, boxes).items():
            write_csv(points, plots / f"{name}.csv")
            write_bytes(pictures.draw(name, points, data_set).encode(), plots / f"{name}.svg")
