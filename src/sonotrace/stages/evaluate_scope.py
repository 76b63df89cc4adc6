"""evaluate_scope: measure whether a classifier tells images that are none of its classes.

Needs a classifier, images that are out of scope (`split.csv` and prepared images), and of the data set that the
classifier was trained on `accepted.csv`, since nobody may be in both, and the predictions of evaluate, which are
those of images in scope. Leaves `predictions.csv` in `data/<data set>/evaluate_scope`, with the predictions of
both, and the scores in `metrics/<data set>.json`, `_low.json`, `_high.json` and `_detail.json`, by label.
"""

from pathlib import Path

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import write_png
from sonotrace.images.noise import generated
from sonotrace.images.packs import Part, Stored, stored_in
from sonotrace.kinds.planes import KIND as PLANES
from sonotrace.models.classifier import PlaneClassifier
from sonotrace.models.classifier import load as load_classifier
from sonotrace.models.classifier import predictions as predict
from sonotrace.models.use import require_same_preparation
from sonotrace.params import load
from sonotrace.params.evaluate_scope import EvaluateScope
from sonotrace.params.prepare import PrepareOne
from sonotrace.patients.apart import require_apart
from sonotrace.places import METRICS, folder
from sonotrace.running import environment
from sonotrace.running.outputs import scratch, write_csv, write_json
from sonotrace.running.progress import say
from sonotrace.scores import out_of_scope
from sonotrace.scores.report import files
from sonotrace.tables import read_table


def run(data_set: str, model: bytes) -> None:
    """Evaluate a classifier, given its bytes, on the images of `data_set`, which are none of its classes."""
    everything = load()
    params, prepared = everything.evaluate_scope[data_set], everything.prepare[data_set]
    table = read_table(folder(data_set, "split") / "split.csv")
    learned = read_table(folder(params.trained_on, "validate") / "accepted.csv")
    inside = read_table(folder(params.trained_on, "evaluate") / "predictions.csv")
    if inside.empty:
        raise SonotraceError(f"{params.trained_on}: no test images, so nothing is in scope; run its evaluation first")
    require_apart(data_set, table, params.trained_on, learned)
    require_same_preparation(PLANES, model, Path(params.model), data_set, prepared.model_dump())
    say(f"evaluate_scope: {len(table)} {data_set} images out of scope, {len(inside)} of {params.trained_on} in scope")
    environment.use_threads(params.threads)
    environment.use_device(params.device)
    images = stored_in(folder(data_set, "prepare") / "images")
    out = folder(data_set, "evaluate_scope")
    classifier = load_classifier(model, Path(params.model))
    parts = [
        predict(classifier, table, images).assign(data_set=data_set),
        *([_of_noise(classifier, params, prepared, out / "noise")] if params.generated else []),
        inside.assign(data_set=params.trained_on),
    ]
    write_csv(pd.concat(parts, ignore_index=True), out / "predictions.csv")
    again = read_table(out / "predictions.csv")  # as `sonotrace verify` will read it
    headline, detail = out_of_scope.metrics(again, table, None, params)
    for ending, content in files(headline, detail).items():
        write_json(content, METRICS / f"{data_set}{ending}.json")


def _of_noise(classifier: PlaneClassifier, params: EvaluateScope, prepared: PrepareOne, place: Path) -> pd.DataFrame:
    """Return the predictions of generated images, each of which counts as a patient."""
    with scratch(place) as into:
        rows: list[tuple[str, str, str]] = []
        for label, image in generated(params.generated, prepared.width, prepared.height, params.seed):
            name = f"{label.replace(' ', '_')}_{len(rows)}"
            write_png(image, into / f"{name}.png")
            rows.append((name, name, label))
        table = pd.DataFrame(rows, columns=["image", "patient", "label"])
        images = Stored(into, ((name, Part(into / f"{name}.png")) for name in table["image"]))
        return predict(classifier, table, images).assign(data_set=out_of_scope.GENERATED)
