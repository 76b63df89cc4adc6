"""What a user does with a finished run: read the metrics, run experiments, use the models."""

import csv
import json
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from checkouts import Checkout, stages_run


def test_metrics_show_and_diff_read_the_metric_files(by_dvc: Checkout) -> None:
    shown = json.loads(by_dvc.run("dvc", "metrics", "show", "--json"))
    files = shown[""]["data"]
    kinds = ("", "_low", "_high", "_validation")
    assert set(files) == {f"metrics/{name}{kind}.json" for name in ("planes", "structures") for kind in kinds}
    for name in ("planes", "structures"):
        headline = set(files[f"metrics/{name}.json"]["data"])
        for kind in kinds[1:]:
            assert set(files[f"metrics/{name}{kind}.json"]["data"]) <= headline, "another key is another column"
    planes = files["metrics/planes.json"]["data"]
    assert set(planes) == {
        "loss",
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "roc_auc",
        "ece",
        "brier",
        "error_at_90_coverage",
        "in_scope",
        "n_images",
        "n_patients",
    }
    detail = json.loads((by_dvc.path / "metrics/planes_detail.json").read_text())
    for score, figure in detail["overall"].items():
        assert figure["low"] <= figure["value"] <= figure["high"] or score == "ece", "resampling adds to an ECE"
        assert figure["value"] == planes[score]
    assert set(detail["per_plane"]) == {"abdomen", "brain", "femur", "thorax"}
    assert sum(plane["n"] for plane in detail["per_plane"].values()) == planes["n_images"]


def test_plots_are_drawn(by_dvc: Checkout, tmp_path: Path) -> None:
    by_dvc.run("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots/index.html").read_text()
    for title in ("actual and predicted", "ROC", "precision and recall", "while training"):
        assert title in page


@pytest.mark.parametrize(
    ("name", "file"), [("planes", "planes.keras"), ("structures", "structures.pt"), ("planes-onnx", "planes.onnx")]
)
def test_a_tagged_model_is_fetched_by_its_name(by_dvc: Checkout, tmp_path: Path, name: str, file: str) -> None:
    by_dvc.run("git", "tag", "--annotate", f"{name}@v1.0.0", "--message", "Release")
    copy = tmp_path / "model"
    by_dvc.run("dvc", "artifacts", "get", str(by_dvc.path), name, "--rev", "v1.0.0", "--out", str(copy))
    assert copy.read_bytes() == (by_dvc.path / "models" / file).read_bytes()


def test_an_experiment_reruns_what_its_parameter_concerns(by_dvc: Checkout) -> None:
    printed = by_dvc.run("dvc", "exp", "run", "--name", "salted", "-S", "evaluate.planes.seed=2")
    assert stages_run(printed) == ["evaluate@planes", "gather@planes", "report"]
    shown = by_dvc.run("dvc", "exp", "show", "--csv")
    assert "salted" in shown
    by_dvc.run("git", "checkout", "--", ".")
    by_dvc.run("dvc", "checkout")


def _first_prediction(checkout: Checkout) -> dict[str, str]:
    """Return the first row of what the evaluation predicted."""
    with (checkout.path / "data/planes/evaluate/predictions.csv").open(newline="") as table:
        return next(csv.DictReader(table))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, by_dvc: Checkout) -> Path:
    """Return a folder with an image of the test side, a broken one, and another of the same name further down."""
    folder = tmp_path_factory.mktemp("images")
    pulled = by_dvc.path / "data/planes/pull/images/images"
    first = pulled / f"{_first_prediction(by_dvc)['image']}.png"
    second = next(path for path in sorted(pulled.iterdir()) if path != first)
    (folder / "more").mkdir()
    (folder / "a.png").write_bytes(first.read_bytes())
    (folder / "more/a.png").write_bytes(second.read_bytes())
    (folder / "broken.png").write_bytes(first.read_bytes()[:5000])
    return folder


@dataclass(frozen=True)
class Predicted:
    """What one run of `sonotrace predict` on the folder of images printed and left."""

    printed: str
    lines: list[dict[str, Any]]
    by_plane: Path
    drawn: Path


@pytest.fixture(scope="module")
def predicted(by_dvc: Checkout, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Predicted:
    """Predict with every option; the tests look at its parts."""
    top = tmp_path_factory.mktemp("predicted")
    printed = by_dvc.run(
        *("sonotrace", "predict", str(images), "--json", "--confidence", "0.001", "--in-all-planes"),
        *("--sort-into", str(top / "sorted"), "--draw", str(top / "drawn")),
        fails=True,
    )
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return Predicted(printed, lines, top / "sorted", top / "drawn")


def test_predict_prints_one_json_object_a_file_and_fails_for_bad_files_only(predicted: Predicted, images: Path) -> None:
    lines = predicted.lines
    assert [Path(line["file"]).relative_to(images).as_posix() for line in lines] == [
        "a.png",
        "broken.png",
        "more/a.png",
    ]
    good, bad = lines[0], lines[1]
    fields = {"file", "frame", "region", "plane", "uncertain", "reason", "probabilities", "scope"}
    fields |= {"structures", "structures_searched", "boxes_dropped", "error"}
    assert set(good) == fields | {"unknown_models", "uncommitted_models"} == set(bad)
    assert good["unknown_models"] == good["uncommitted_models"] == []
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
    assert "error: 1 file could not be read" in predicted.printed


def test_predict_agrees_with_the_evaluation_on_test_images(by_dvc: Checkout, predicted: Predicted) -> None:
    row, line = _first_prediction(by_dvc), predicted.lines[0]
    assert line["plane"] == row["predicted"]
    for plane, value in line["probabilities"].items():
        assert value == pytest.approx(float(row[plane]), abs=2e-4)


def test_predict_sorts_by_the_predicted_plane_and_draws(predicted: Predicted, images: Path) -> None:
    good = [line for line in predicted.lines if not line["error"]]
    for line in good:
        place = "uncertain" if line["uncertain"] else line["plane"] or "none"
        copies = [path.read_bytes() for path in (predicted.by_plane / place).iterdir()]
        assert Path(line["file"]).read_bytes() in copies
    assert len([path for path in predicted.by_plane.rglob("*") if path.is_file()]) == len(good)
    drawn = sorted(predicted.drawn.iterdir())
    assert [path.name for path in drawn] == ["a-2.png", "a.png"]
    original = cv2.imread(str(images / "a.png"))
    assert np.any(cv2.imread(str(drawn[1])) != original)


def test_a_missing_model_is_one_line(by_dvc: Checkout, images: Path) -> None:
    printed = by_dvc.run("sonotrace", "predict", str(images), "--planes-model", "no.onnx", fails=True)
    assert printed.strip() == "error: no.onnx: no such model; `dvc repro export_onnx` makes models/planes.onnx"


NAMES = {"planes": "planes.onnx", "structures": "structures.onnx"}


class _Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_a_model_that_no_lock_knows_is_refused_and_a_pickle_is_never_read(
    by_dvc: Checkout, images: Path, tmp_path: Path
) -> None:
    strange, sprung = tmp_path / "strange.onnx", tmp_path / "sprung"
    strange.write_bytes(pickle.dumps(_Trap(sprung)))
    command = ("sonotrace", "predict", str(images / "a.png"), "--structures-model", str(strange))
    refused = by_dvc.run(*command, fails=True)
    assert refused.startswith(f"error: {strange}: unknown: no dvc.lock of this repository names its md5 ")
    assert len(refused.splitlines()) == 1
    printed = by_dvc.run(*command, "--allow-unknown", fails=True)
    assert f"error: {strange}: not an ONNX model made by export_onnx" in printed
    assert not sprung.exists()
    pickle.loads(strange.read_bytes())  # noqa: S301
    assert sprung.exists(), "the trap springs when it is read"


def test_outside_a_checkout_a_model_is_taken_only_on_request_and_the_output_says_so(
    by_dvc: Checkout, images: Path, tmp_path: Path
) -> None:
    elsewhere = Checkout(tmp_path, by_dvc.home)
    models = {kind: str(by_dvc.path / f"models/{name}") for kind, name in NAMES.items()}
    command = ["sonotrace", "predict", str(images / "a.png")]
    command += [part for kind, path in models.items() for part in (f"--{kind}-model", path)]
    assert "planes.onnx: nobody vouches for it" in elsewhere.run(*command, fails=True)
    hashes = [by_dvc.path / f"reports/{kind}/onnx.sha256" for kind in NAMES]
    trusted = elsewhere.run(*command, "--json", *(part for path in hashes for part in ("--hashes", str(path))))
    (line,) = [json.loads(line) for line in trusted.splitlines() if line.startswith("{")]
    assert line["unknown_models"] == line["uncommitted_models"] == []
    text = elsewhere.run(*command, "--allow-unknown")
    assert f"warning: {models['structures']}: no dvc.lock names this model (--allow-unknown)" in text
    printed = elsewhere.run(*command, "--allow-unknown", "--json")
    (line,) = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert line["unknown_models"] == list(models.values())
    assert line["error"] is None


def test_a_model_swapped_by_hand_is_not_evaluated(by_dvc: Checkout, tmp_path: Path) -> None:
    checkout = by_dvc.copy(tmp_path)
    model = checkout.path / "models/planes.keras"
    model.chmod(0o644)
    model.write_bytes(model.read_bytes() + b"\n")
    printed = checkout.run("dvc", "repro", "--single-item", "evaluate@planes", fails=True)
    assert "error: models/planes.keras: not the model that dvc.lock names" in printed
    checkout.run("dvc", "checkout", "--force", "models/planes.keras")
    checkout.run("dvc", "repro", "--single-item", "evaluate@planes")
    assert checkout.run("git", "status", "--short", "metrics", "dvc.lock") == ""


def test_an_experiment_elsewhere_evaluates_the_model_that_it_trained(by_dvc: Checkout) -> None:
    experiment = (
        "dvc",
        "exp",
        "run",
        "--temp",
        "--name",
        "elsewhere",
        "-S",
        "train_cnn.planes.batch=16",
        "evaluate@planes",
    )
    printed = by_dvc.run(*experiment)
    assert "Running stage 'train_cnn@planes'" in printed
    assert "Running stage 'evaluate@planes'" in printed


def test_every_stage_left_a_record_that_neither_git_nor_dvc_sees(by_dvc: Checkout) -> None:
    records = json.loads(by_dvc.run("sonotrace", "runs", "--json"))
    assert len(records) == 19
    assert {record["stage"] for record in records} >= {
        "pull@planes",
        "train_cnn@planes",
        "train_yolo@structures",
        "evaluate@structures",
    }
    libraries = {record["stage"]: set(record["libraries"]) for record in records}
    assert {"tensorflow", "keras"} <= libraries["train_cnn@planes"]
    assert {"torch", "ultralytics"} <= libraries["train_yolo@structures"]
    assert "torch" not in libraries["split@planes"]
    assert ".sonotrace" not in by_dvc.run("git", "status", "--short", "--ignored=no")
    assert "up to date" in by_dvc.run("dvc", "status", "train_cnn@planes")
    assert len(by_dvc.run("sonotrace", "runs").splitlines()) >= 15
