"""Figures stand under the names that the model states, over whole patients of the test side."""

import json

import numpy as np
import pandas as pd
import pytest

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import write_png
from sonotrace.kinds.planes import PLANES
from sonotrace.models import classifier
from sonotrace.models.judgement import Answers
from sonotrace.running.outputs import write_csv
from sonotrace.stages.evaluate import run
from sonotrace.tables import box_table, read_table

LABELS = {"a": "brain", "b": "brain", "c": "femur", "d": "thorax", "e": "abdomen", "f": "femur"}
LEVELS = {"brain": 10, "femur": 60, "thorax": 110, "abdomen": 160}


@pytest.fixture(autouse=True)
def _environment_restored(monkeypatch):
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    for name in (*names, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "1")


@pytest.fixture
def prepared(work, set_param):
    """Lay out six test images, each in the grey level of its plane, and a training image."""
    set_param("evaluate.planes.bootstrap", 100)
    table = pd.DataFrame({"image": list(LABELS), "patient": list("112233"), "label": LABELS.values(), "side": "test"})
    table.loc[len(table)] = ["z", "9", "brain", "train"]
    write_csv(table, work / "data/planes/split/split.csv")
    write_csv(box_table([]), work / "data/planes/prepare/boxes.csv")
    (work / "data/planes/prepare/images").mkdir()
    for image, label in LABELS.items():
        write_png(np.full((32, 32), LEVELS[label], np.uint8), work / f"data/planes/prepare/images/{image}.png")
    return work


def _model(order, mistaken=(), refused="femur", far=-0.5):
    """Make a classifier that tells planes by their grey level and gives them in `order`.

    Images of the plane `refused` are `far` beyond the limit.
    """

    class Model:
        planes = order

        def __init__(self, content, path):
            assert (content, path.as_posix()) == (b"model", "models/planes.keras")

        def answers(self, images):
            found = np.full((len(images), len(order)), 0.1)
            for row, image in zip(found, images, strict=True):
                plane = next(name for name, level in LEVELS.items() if level == image[0, 0])
                row[order.index("thorax" if plane in mistaken else plane)] = 0.7
            return Answers(found, np.array([far if image[0, 0] == LEVELS[refused] else -0.5 for image in images]))

    return Model


@pytest.mark.parametrize("order", [PLANES, PLANES[::-1], ("femur", "abdomen", "thorax", "brain")])
def test_probabilities_count_for_the_plane_that_the_model_names(prepared, monkeypatch, order):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(order, mistaken={"femur"}))
    run("planes", b"model")
    detail = json.loads((prepared / "metrics/planes_detail.json").read_text())
    recalls = {plane: scores["recall"]["value"] for plane, scores in detail["per_plane"].items()}
    assert recalls == {"abdomen": 1, "brain": 1, "femur": 0, "thorax": 1}
    assert {plane: scores["n"] for plane, scores in detail["per_plane"].items()} == {
        "abdomen": 1,
        "brain": 2,
        "femur": 2,
        "thorax": 1,
    }
    assert detail["overall"]["accuracy"]["value"] == round(4 / 6, 4)
    predictions = read_table(prepared / "data/planes/evaluate/predictions.csv")
    named = {image: "thorax" if label == "femur" else label for image, label in LABELS.items()}
    assert dict(zip(predictions["image"], predictions["predicted"], strict=True)) == named
    for row in predictions.to_dict("records"):
        assert float(row[row["predicted"]]) == 0.7
    confusion = pd.read_csv(prepared / "plots/planes/confusion.csv")
    assert confusion[confusion["actual"] == "femur"]["predicted"].tolist() == ["thorax"] * 2


def test_headline_and_detail_agree_and_count_the_test_side(prepared, monkeypatch):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(PLANES, mistaken={"femur"}))
    run("planes", b"model")
    headline = json.loads((prepared / "metrics/planes.json").read_text())
    detail = json.loads((prepared / "metrics/planes_detail.json").read_text())
    assert (headline["n_images"], headline["n_patients"]) == (6, 3)
    assert {name: figure["value"] for name, figure in detail["overall"].items()} == {
        name: value for name, value in headline.items() if not name.startswith("n_")
    }
    for end in ("low", "high"):
        ends = json.loads((prepared / f"metrics/planes_{end}.json").read_text())
        assert ends == {name: figure[end] for name, figure in detail["overall"].items()}
    for figure in detail["overall"].values():
        assert figure["low"] <= figure["value"] <= figure["high"]


@pytest.mark.parametrize(("far", "share"), [(0.5, 4 / 6), (0.0, 1), (np.nan, 1)])
def test_images_beyond_the_limit_are_out_of_scope_and_scored_like_the_others(prepared, monkeypatch, far, share):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(PLANES, far=far))
    run("planes", b"model")
    headline = json.loads((prepared / "metrics/planes.json").read_text())
    assert (headline["in_scope"], headline["accuracy"]) == (round(share, 4), 1)
    predictions = read_table(prepared / "data/planes/evaluate/predictions.csv")
    assert set(predictions["image"][predictions["in_scope"] == "false"]) == ({"c", "f"} if share < 1 else set())
    assert predictions["scope"].dtype == np.float64
    assert predictions["scope"].isna().sum() == (2 if np.isnan(far) else 0)


def test_each_table_of_plots_has_a_picture(prepared, monkeypatch):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(PLANES))
    run("planes", b"model")
    written = sorted(path.name for path in (prepared / "plots/planes").iterdir())
    names = ("confusion", "pr", "reliability", "risk_coverage", "roc")
    assert written == [f"{name}.{form}" for name in names for form in ("csv", "svg")]


def test_the_same_model_and_seed_give_the_same_bytes(prepared, monkeypatch):
    monkeypatch.setattr(classifier, "PlaneClassifier", _model(PLANES, mistaken={"brain"}))
    found = []
    for _ in range(2):
        run("planes", b"model")
        found.append(
            {path: path.read_bytes() for name in ("metrics", "plots") for path in (prepared / name).rglob("*.*")}
        )
    assert found[0] == found[1]


def test_no_test_images_is_an_error(work):
    write_csv(
        pd.DataFrame({"image": ["a"], "patient": ["1"], "label": ["brain"], "side": ["train"]}),
        work / "data/planes/split/split.csv",
    )
    with pytest.raises(SonotraceError, match=r"planes: no test images; .*split\.planes\.salt"):
        run("planes", b"model")
