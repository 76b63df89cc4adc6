"""A classifier is measured on images that are none of its classes, beside those that it was tested on."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from packed import packed

from sonotrace.errors import SonotraceError
from sonotrace.kinds.planes import PLANES
from sonotrace.running.outputs import write_csv
from sonotrace.stages import evaluate_scope
from sonotrace.tables import read_table

PREPARE = {"width": 32, "height": 32, "aspect": "stretch", "mask_overlays": False}
SCOPE = {"model": "models/planes.keras", "trained_on": "planes", "generated": 2, "bootstrap": 100, "seed": 1}
COMMON = {"threads": 1, "device": "cpu"}


def _model(prepare):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"sonotrace": {"planes": list(PLANES), "prepare": prepare}}))
    return stream.getvalue()


@pytest.fixture
def strange(work, monkeypatch):
    """Lay out four images out of scope, two in scope that were tested on, and a classifier that sees brightness."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    parameters = yaml.safe_load((work / "params.yaml").read_text())
    incoming = parameters["pull"]["planes"]["incoming"]
    pattern = "(?P<patient>.+)"
    parameters["pull"]["hips"] = {
        "source": "incoming", "kind": "out_of_scope", "patient_pattern": pattern, "incoming": incoming,
    }  # fmt: skip
    parameters["validate"]["hips"] = dict(parameters["validate"]["structures"])
    del parameters["validate"]["hips"]["copies"]
    parameters["split"]["hips"] = parameters["split"]["planes"] | {"fractions": {"train": 0, "val": 0, "test": 1}}
    parameters["prepare"]["hips"] = PREPARE
    parameters["evaluate_scope"]["hips"] = SCOPE | COMMON
    (work / "params.yaml").write_text(yaml.safe_dump(parameters))
    images = work / "data/hips/prepare/images"
    packed(images, {f"h{at}": np.full((32, 32), 20 * at, np.uint8) for at in range(4)})
    names = [f"h{at}" for at in range(4)]
    table = pd.DataFrame({"image": names, "patient": names, "label": ["hip", "hip", "hip", "cervix"], "sha256": names})
    write_csv(table.assign(side="test"), work / "data/hips/split/split.csv")
    _learned(work)
    inside = pd.DataFrame({"image": ["p", "q"], "patient": ["1", "2"], "label": "brain", "predicted": "brain"})
    write_csv(_with(inside, [0.9, 0.8]), work / "data/planes/evaluate/predictions.csv")
    monkeypatch.setattr(evaluate_scope, "load_classifier", lambda content, path: (content, path))
    monkeypatch.setattr(evaluate_scope, "predict", _predict)
    return work


def _learned(work, patient="1"):
    table = pd.DataFrame({"image": ["p"], "patient": [patient], "label": "brain", "sha256": "x"})
    write_csv(table, work / "data/planes/validate/accepted.csv")


def _with(table, certainty):
    rest = (1 - np.array(certainty)) / 3
    return table.assign(abdomen=certainty, brain=rest, femur=rest, thorax=rest)


def _predict(loaded, table, prepared):
    assert loaded == (_model(PREPARE), Path("models/planes.keras"))
    certainty = [0.85 if name == "h3" else 0.3 for name in table["image"]]
    assert all(prepared[name].read().shape == (32, 32) for name in table["image"])
    return _with(table[["image", "patient", "label"]].assign(predicted="abdomen"), certainty)


def test_images_out_of_scope_are_told_by_label_from_the_tested_ones(strange):
    evaluate_scope.run("hips", _model(PREPARE))
    detail = json.loads((strange / "metrics/hips_detail.json").read_text())
    labels = detail["per_label"]
    assert {label: scores["n"] for label, scores in labels.items()} == {
        "cervix": 1, "gradient": 2, "hip": 3, "speckle": 2, "uniform noise": 2,
    }  # fmt: skip
    assert labels["hip"]["roc_auc"]["value"] == 1
    assert labels["hip"]["fpr95"]["value"] == 0
    assert labels["cervix"]["roc_auc"]["value"] == 0.5
    assert labels["cervix"]["fpr95"]["value"] == 1
    assert detail["overall"]["fpr95"]["value"] == 0.1
    assert detail["overall"]["accepted"]["value"] is None  # this classifier cannot refuse
    assert (detail["n_images"], detail["n_images_in_scope"]) == (10, 2)


def test_the_table_has_the_predictions_of_both_and_of_noise(strange):
    evaluate_scope.run("hips", _model(PREPARE))
    table = read_table(strange / "data/hips/evaluate_scope/predictions.csv")
    assert table["data_set"].value_counts().to_dict() == {"generated": 6, "hips": 4, "planes": 2}
    assert [path.name for path in (strange / "data/hips/evaluate_scope").iterdir()] == ["predictions.csv"]


def test_a_patient_that_the_model_learned_from_stops_it(strange):
    _learned(strange, patient="h2")
    with pytest.raises(SonotraceError, match=r"^hips: 1 patients and 0 images are in planes too.* image h2; "):
        evaluate_scope.run("hips", _model(PREPARE))


def test_images_prepared_otherwise_than_the_model_needs_are_refused(strange):
    with pytest.raises(SonotraceError, match=r"prepare\.hips\.width is 32, but models/planes\.keras .* 224; set it"):
        evaluate_scope.run("hips", _model(PREPARE | {"width": 224}))
    assert not (strange / "metrics").exists()
