"""What a user does with a finished run: read the metrics, run experiments, use the models."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Checkout


def test_metrics_show_and_diff_read_the_metric_files(by_dvc: Checkout) -> None:
    shown = json.loads(by_dvc.run("dvc", "metrics", "show", "--json"))
    files = shown[""]["data"]
    assert set(files) == {"metrics/planes.json", "metrics/structures.json"}
    planes = files["metrics/planes.json"]["data"]
    assert set(planes) == {
        "loss",
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "roc_auc",
        "n_images",
        "n_patients",
    }
    detail = json.loads((by_dvc.path / "metrics/planes_detail.json").read_text())
    for score, figure in detail["overall"].items():
        assert figure["low"] <= figure["value"] <= figure["high"], score
        assert figure["value"] == planes[score]
    assert set(detail["per_plane"]) == {"abdomen", "brain", "femur", "thorax"}
    assert sum(plane["n"] for plane in detail["per_plane"].values()) == planes["n_images"]


def test_plots_are_drawn(by_dvc: Checkout, tmp_path: Path) -> None:
    by_dvc.run("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots/index.html").read_text()
    for title in ("confusion", "ROC", "precision and recall", "train_cnn"):
        assert title in page


def test_an_experiment_reruns_what_its_parameter_concerns(by_dvc: Checkout) -> None:
    printed = by_dvc.run("dvc", "exp", "run", "--name", "salted", "-S", "evaluate.planes.seed=2")
    assert printed.count("Running stage") == 1
    shown = by_dvc.run("dvc", "exp", "show", "--csv")
    assert "salted" in shown
    by_dvc.run("git", "checkout", "--", ".")
    by_dvc.run("dvc", "checkout")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, by_dvc: Checkout) -> Path:
    """Return a folder with two images, a broken one, and one of the same name further down."""
    folder = tmp_path_factory.mktemp("images")
    first, second = sorted((by_dvc.path / "data/planes/pull/images/images").iterdir())[:2]
    (folder / "more").mkdir()
    (folder / "a.png").write_bytes(first.read_bytes())
    (folder / "more/a.png").write_bytes(second.read_bytes())
    (folder / "broken.png").write_bytes(first.read_bytes()[:5000])
    return folder


def test_predict_prints_one_json_object_a_file_and_fails_for_bad_files_only(by_dvc: Checkout, images: Path) -> None:
    printed = by_dvc.run("sonotrace", "predict", str(images), "--json", "--confidence", "0.001", fails=True)
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert [Path(line["file"]).relative_to(images).as_posix() for line in lines] == [
        "a.png",
        "broken.png",
        "more/a.png",
    ]
    good, bad = lines[0], lines[1]
    assert set(good) == {"file", "plane", "probabilities", "structures", "error"} == set(bad)
    assert good["error"] is None
    assert good["plane"] == max(good["probabilities"], key=good["probabilities"].get)
    assert sum(good["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    height, width = cv2.imread(str(images / "a.png"), cv2.IMREAD_GRAYSCALE).shape
    assert good["structures"]
    for found in good["structures"]:
        assert set(found) == {"structure", "confidence", "box"}
        x0, y0, x1, y1 = found["box"]
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
    assert bad["plane"] is None
    assert "broken.png" in bad["error"]
    assert "\n" not in bad["error"]
    assert "error: 1 of 3 files could not be read" in printed


def test_predict_agrees_with_the_evaluation_on_test_images(by_dvc: Checkout) -> None:
    table = (by_dvc.path / "data/planes/evaluate/predictions.csv").read_text().splitlines()
    header = table[0].split(",")
    row = dict(zip(header, table[1].split(","), strict=True))
    image = by_dvc.path / f"data/planes/pull/images/images/{row['image']}.png"
    line = json.loads(by_dvc.run("sonotrace", "predict", str(image), "--json").splitlines()[0])
    assert line["plane"] == row["predicted"]
    for plane, value in line["probabilities"].items():
        assert value == pytest.approx(float(row[plane]), abs=2e-4)


def test_predict_sorts_by_the_predicted_plane_and_draws(by_dvc: Checkout, images: Path, tmp_path: Path) -> None:
    printed = by_dvc.run(
        *("sonotrace", "predict", str(images), "--json"),
        *("--sort-into", str(tmp_path / "sorted"), "--draw", str(tmp_path / "drawn")),
        fails=True,
    )
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    good = [line for line in lines if not line["error"]]
    for line in good:
        copies = [path.read_bytes() for path in (tmp_path / "sorted" / line["plane"]).iterdir()]
        assert Path(line["file"]).read_bytes() in copies
    assert len([path for path in (tmp_path / "sorted").rglob("*") if path.is_file()]) == len(good)
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert [path.name for path in drawn] == ["a-2.png", "a.png"]
    original = cv2.imread(str(images / "a.png"))
    assert np.any(cv2.imread(str(drawn[1])) != original)


def test_a_missing_model_is_one_line(by_dvc: Checkout, images: Path) -> None:
    printed = by_dvc.run("sonotrace", "predict", str(images), "--planes-model", "no.keras", fails=True)
    assert printed.strip() == "error: no.keras: no such model; run `dvc repro train_cnn` to make it"
