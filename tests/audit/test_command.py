"""`sonotrace audit-labels` from a prepared data set to its tables and pictures."""

import shutil
from pathlib import Path

import folded as folded_run
import numpy as np
import pandas as pd
import pytest
from packed import packed

from sonotrace.audit.command import check_free, run
from sonotrace.errors import SonotraceError
from sonotrace.kinds.planes import PLANES
from sonotrace.running.outputs import write_csv
from sonotrace.stages import prepare, pull, split, validate
from sonotrace.tables import image_table


def _audit(*arguments):
    return folded_run.run(Path(), "audit-labels", *arguments)


def _bytes(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def small(set_param):
    for key, value in {
        "prepare.planes.width": 32,
        "prepare.planes.height": 32,
        "augment.planes.copies": 1,
        "train_cnn.planes.batch": 8,
        "train_cnn.planes.threads": 1,
        "train_cnn.planes.architecture": "published",
        "train_cnn.planes.epochs": 8,
    }.items():
        set_param(key, value)


WRONG = {7: "femur", 20: "brain", 33: "abdomen"}


@pytest.fixture
def planted(work, small):  # noqa: ARG001 - sets parameters
    """Prepare 96 easy images of 48 patients, each plane bright in a corner of its own, three labelled wrong.

    Image 95 is image 40 again, brighter, under another patient on the test side.
    """
    random = np.random.default_rng(0)
    images = work / "data/planes/prepare/images"
    rows, pictures = [], {}
    for number in range(96):
        plane = number % 4
        picture = random.integers(0, 60, (32, 32)).astype(np.uint8)
        picture[16 * (plane // 2) :, 16 * (plane % 2) :][:16, :16] += 150
        if number == 95:
            picture = pictures["040"] + np.uint8(10)
            plane = 0
        pictures[f"{number:03}"] = picture
        packed(images, {f"{number:03}": picture}, f"{number:03}")
        label = WRONG.get(number, PLANES[plane])
        line = {"image": f"{number:03}", "patient": str(number // 2), "label": label, "labelled_by": f"t.csv:{number}"}
        rows.append(line)
    table = image_table(rows).fillna("").assign(side=["test" if number > 80 else "train" for number in range(96)])
    write_csv(table.assign(width=32, height=32), work / "data/planes/split/split.csv")
    return work


def test_planted_wrong_labels_and_a_planted_leak_are_found(planted):
    said = _audit("--folds", "2")
    assert "2 trainings" in said
    labels = pd.read_csv(planted / "audit/labels.csv", dtype={"image": str})
    assert set(labels["image"][:3]) == {f"{number:03}" for number in WRONG}
    assert labels["suspected"][:3].all()
    assert [PLANES[int(image) % 4] for image in labels["image"][:3]] == list(labels["suggested"][:3])
    pairs = pd.read_csv(planted / "audit/duplicates.csv", dtype=str)
    assert pairs[["image_a", "image_b", "differs"]].to_numpy().tolist() == [["040", "095", "side patient"]]
    assert {path.name for path in (planted / "audit").iterdir()} == {
        *("labels.csv", "labels.png", "duplicates.csv", "duplicates.png"),
    }


def test_where_folds_were_trained_their_answers_are_taken_and_nothing_is_trained(folded, tmp_path, monkeypatch):
    shutil.copytree(folded, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    said = _audit()
    assert "nothing is trained" in said
    labels = pd.read_csv("audit/labels.csv", dtype={"image": str})
    assert set(labels["image"][:3]) == {f"{number:03}" for number in WRONG}
    predictions = pd.read_csv("data/planes/ensemble/predictions.csv", dtype={"image": str}).set_index("image")
    assert labels["brain"].to_list() == predictions.loc[labels["image"]]["brain"].to_list()
    table = pd.read_csv("data/planes/split/split.csv", dtype=str, keep_default_na=False)
    table.loc[0, "label"] = "thorax"
    write_csv(table, Path("data/planes/split/split.csv"))
    assert "5 trainings" in _audit()


@pytest.mark.usefixtures("small")
def test_phantom_images_are_audited_twice_with_the_same_bytes(work, set_param):
    set_param("pull.planes.phantom.images", 48)
    set_param("pull.structures.phantom.images", 6)
    set_param("train_cnn.planes.epochs", 1)
    top = Path(__file__).parents[2]
    (work / "data/phantom").symlink_to(top / "data/phantom")
    for data_set in ("planes", "structures"):
        for stage in (pull, validate, split, prepare):
            stage.run(data_set)
    before = {path: path.stat().st_mtime_ns for path in (work / "data").rglob("*")}
    said = _audit("found", "--folds", "2")
    assert "not prepared" not in said
    first = _bytes(work / "found")
    (work / "found/labels-9.png").touch()
    _audit("found", "--folds", "2")
    assert _bytes(work / "found") == first
    assert {path: path.stat().st_mtime_ns for path in (work / "data").rglob("*")} == before
    labels = pd.read_csv(work / "found/labels.csv")
    assert len(labels) == 48
    assert not (work / ".sonotrace/audit.part").exists()


def test_a_folder_with_anything_else_in_it_is_left_alone(work):
    out = work / "thesis"
    out.mkdir()
    (out / "labels.csv").touch()
    check_free(out)
    check_free(work / "new")
    (out / "chapter.txt").touch()
    with pytest.raises(SonotraceError, match=r"thesis: holds chapter\.txt.*another|new or empty folder"):
        run(out, 5, "planes")
    with pytest.raises(SonotraceError, match=r"chapter\.txt: a file"):
        run(out / "chapter.txt", 5, "planes")


def test_without_a_split_the_error_says_what_to_run(work):
    with pytest.raises(SonotraceError, match=r"^data/planes/split/split\.csv: not there; run `dvc repro`"):
        run(work / "audit", 5, "planes")


def test_a_missing_image_stops_before_any_training(planted):
    (planted / "data/planes/prepare/images/050.zip").unlink()
    with pytest.raises(SonotraceError, match=r"^data/planes/prepare/images: no image 050; "):
        run(planted / "audit", 5, "planes")
    assert not (planted / "audit").exists()
