"""evaluate: measure a model on the test side, by patient, with intervals.

Needs a model, `split.csv` and the prepared images (and boxes); leaves `metrics/<data set>.json`
(headline figures), `metrics/<data set>_detail.json` (each with its 95 % interval, and per class),
`predictions.csv` in `data/<data set>/evaluate`, and curves in `plots/<data set>`. Metrics are
computed from the predictions as written, so that they can be computed again without the model.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import read_grey
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.params import EvaluateOne, EvaluateStructures, load
from sonotrace.places import METRICS, MODELS, PLOTS, folder
from sonotrace.running import environment
from sonotrace.running.outputs import building, write_csv, write_json
from sonotrace.running.progress import bar, native_noise_hidden, say
from sonotrace.scores import planes as plane_scores
from sonotrace.scores import structures as structure_scores
from sonotrace.scores.intervals import with_intervals
from sonotrace.tables import CORNERS, read_table

Metrics = tuple[dict[str, Any], dict[str, Any]]
"""What the headline file and the detail file of a data set hold."""

PREDICTION_LEAST = 0.001
"""Confidence from which predictions count towards average precision (Ultralytics' value)."""


def run(data_set: str, model: bytes) -> None:
    """Evaluate the model of `data_set`, given its bytes, on the data set's test side."""
    everything = load()
    table = read_table(folder(data_set, "split") / "split.csv")
    test = table[table["side"] == "test"].reset_index(drop=True)
    if test.empty:
        raise SonotraceError(f"{data_set}: no test images; bring more patients or change split.{data_set}.salt")
    say(f"evaluate: {len(test)} {data_set} test images of {test['patient'].nunique()} patients")
    if data_set == "planes":
        environment.use_threads(everything.train_cnn.threads)
        environment.use_device(everything.train_cnn.device)
        _evaluate_planes(model, test, everything.evaluate.planes)
    else:
        environment.use_threads(everything.train_yolo.threads)
        environment.use_device(everything.train_yolo.device)
        _evaluate_structures(model, test, everything.evaluate.structures)


def _evaluate_planes(model: bytes, test: pd.DataFrame, params: EvaluateOne) -> None:
    with native_noise_hidden():
        from sonotrace.models.classifier import BATCH, PlaneClassifier

        classifier = PlaneClassifier(model, MODELS["planes"])
    images = folder("planes", "prepare") / "images"
    parts = []
    with bar("predict", len(test)) as advance:
        for at in range(0, len(test), BATCH):
            part = [read_grey(images / f"{image}.png") for image in test["image"][at : at + BATCH]]
            parts.append(classifier.probabilities(part))
            advance(len(part))
    probabilities = np.concatenate(parts).astype(np.float64).round(6)
    predictions = test[["image", "patient", "label"]].copy()
    predictions["predicted"] = [classifier.planes[index] for index in probabilities.argmax(axis=1)]
    predictions[list(classifier.planes)] = probabilities
    write_csv(predictions, folder("planes", "evaluate") / "predictions.csv")
    _write_metrics("planes", metrics_of_planes(predictions, params))
    roc, pr = plane_scores.curves(*_truth_and_probabilities(predictions))
    _write_plots(
        "planes",
        {"confusion": predictions[["label", "predicted"]].rename(columns={"label": "actual"}), "roc": roc, "pr": pr},
    )


def _truth_and_probabilities(predictions: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64], list[str]]:
    names = [name for name in predictions.columns if name not in {"image", "patient", "label", "predicted"}]
    truth = np.array([names.index(label) for label in predictions["label"]], dtype=np.int64)
    return truth, predictions[names].to_numpy(np.float64), names


def metrics_of_planes(predictions: pd.DataFrame, params: EvaluateOne) -> Metrics:
    """Return the contents of the headline file and the detail file, from the table of predictions alone."""
    truth, probabilities, names = _truth_and_probabilities(predictions)
    found = with_intervals(
        lambda rows: plane_scores.scores(truth[rows], probabilities[rows], names),
        list(predictions["patient"]),
        params.bootstrap,
        params.seed,
    )
    counts = {"n_images": len(predictions), "n_patients": int(predictions["patient"].nunique())}
    return _metrics("per_plane", found, counts, {name: int((truth == at).sum()) for at, name in enumerate(names)})


def _evaluate_structures(model: bytes, test: pd.DataFrame, params: EvaluateStructures) -> None:
    from sonotrace.models.detector import StructureDetector

    detector = StructureDetector(model, MODELS["structures"])
    prepare = folder("structures", "prepare")
    boxes = read_table(prepare / "boxes.csv")
    rows: list[tuple[Any, ...]] = []
    with bar("predict", len(test)) as advance:
        for image in test["image"]:
            found = detector.detect([read_grey(prepare / "images" / f"{image}.png")], PREDICTION_LEAST)[0]
            rows.extend(
                (image, structure, *(round(float(value), 4) for value in (certain, *corners)))
                for structure, certain, corners in zip(found.structures, found.confidences, found.boxes, strict=True)
            )
            advance(1)
    predictions = pd.DataFrame(rows, columns=["image", "structure", "confidence", *CORNERS])
    write_csv(predictions, folder("structures", "evaluate") / "predictions.csv")
    _write_metrics("structures", metrics_of_structures(predictions, test, boxes, params))
    _write_plots("structures", {"pr": structure_scores.pr_curve(matched(predictions, test, boxes), STRUCTURES)})


def matched(predictions: pd.DataFrame, test: pd.DataFrame, boxes: pd.DataFrame) -> list[structure_scores.Matched]:
    """Set the boxes found in each test image against its true ones."""
    found_in = {str(image): rows for image, rows in predictions.groupby("image")}
    true_in = {str(image): rows for image, rows in boxes.groupby("image")}
    pairs = []
    for image in test["image"]:
        found, own = found_in.get(image, predictions[:0]), true_in.get(image, boxes[:0])
        pairs.append(
            structure_scores.match(
                _indices(list(found["structure"])),
                found["confidence"].to_numpy(np.float64),
                found[CORNERS].to_numpy(np.float64),
                _indices(list(own["structure"])),
                own[CORNERS].to_numpy(np.float64),
            )
        )
    return pairs


def metrics_of_structures(
    predictions: pd.DataFrame, test: pd.DataFrame, boxes: pd.DataFrame, params: EvaluateStructures
) -> Metrics:
    """Return the contents of the headline file and the detail file, from the tables of predictions and true boxes."""
    pairs = matched(predictions, test, boxes)
    found = with_intervals(
        lambda chosen: structure_scores.scores([pairs[at] for at in chosen], STRUCTURES, params.confidence),
        list(test["patient"]),
        params.bootstrap,
        params.seed,
    )
    own = boxes[boxes["image"].isin(test["image"])]
    counts = {"n_images": len(test), "n_patients": int(test["patient"].nunique()), "n_boxes": len(own)}
    return _metrics(
        "per_structure", found, counts, {name: int((own["structure"] == name).sum()) for name in STRUCTURES}
    )


def _indices(names: list[str]) -> Any:
    return np.array([STRUCTURES.index(name) for name in names], dtype=np.int64)


def _metrics(
    kind: str, found: dict[str, tuple[float, float, float]], counts: dict[str, int], classes: dict[str, int]
) -> Metrics:
    """Arrange the headline file and the detail file; figures that are undefined are null."""
    headline = {name: _number(value) for name, (value, _, _) in found.items() if "." not in name}
    detail: dict[str, Any] = {"interval": "95 %, bootstrap over patients", **counts, "overall": {}}
    detail[kind] = {name: {"n": count} for name, count in classes.items()}
    for name, (value, low, high) in found.items():
        score, _, class_name = name.partition(".")
        place = detail[kind][class_name] if class_name else detail["overall"]
        place[score] = {"value": _number(value), "low": _number(low), "high": _number(high)}
    return headline | counts, detail


def _write_metrics(data_set: str, metrics: Metrics) -> None:
    headline, detail = metrics
    write_json(headline, METRICS / f"{data_set}.json")
    write_json(detail, METRICS / f"{data_set}_detail.json")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _write_plots(data_set: str, tables: dict[str, pd.DataFrame]) -> None:
    with building(PLOTS / data_set) as plots:
        plots.mkdir()
        for name, table in tables.items():
            write_csv(table, plots / f"{name}.csv")
