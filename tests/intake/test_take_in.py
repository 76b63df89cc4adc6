"""From the listing to the tables: each listed file is in its place, with its rows and boxes."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from dicom_files import dicom

from sonotrace.intake import pins
from sonotrace.intake.bring import DicomSettings
from sonotrace.intake.fetch import Fetched
from sonotrace.intake.take_in import Terms, take_in
from sonotrace.kinds.planes import KIND as PLANES
from sonotrace.labels.corrections import Corrections
from sonotrace.labels.listing import Box, Listed
from sonotrace.patients import pseudonyms
from sonotrace.patients.withdrawals import Withdrawals
from sonotrace.sources import Snapshot
from sonotrace.tables import CORNERS

DATA = Path(__file__).parents[2] / "data"


def _png(width=40, height=30, level=0):
    return cv2.imencode(".png", np.full((height, width), level, np.uint8))[1].tobytes()


@pytest.fixture
def terms():
    return Terms(
        "planes",
        re.compile(r"^Patient(?P<patient>\d+)_"),
        DicomSettings(),
        Withdrawals(DATA / "withdrawn.csv"),
        Corrections("planes", PLANES, DATA / "corrections.csv"),
    )


def _fetched(folder, files, is_temporary=False):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return Fetched(Snapshot(folder), folder, pins.contents(folder, 1), is_temporary)


@pytest.mark.parametrize("is_temporary", [True, False])
def test_files_are_moved_only_if_they_were_made_for_this_run(tmp_path, terms, is_temporary):
    at, images = tmp_path / "at", tmp_path / "images"
    fetched = _fetched(at, {"x/Patient9_a.png": _png()}, is_temporary)
    box = Box("CSP", 0.0, 0.1, 0.5, 1.0)
    listed = [Listed("Patient9_a", at / "x/Patient9_a.png", boxes=[box]), Listed("Patient9_b", None)]
    taken = take_in(listed, fetched, images, terms)
    assert (taken.images, taken.rows, taken.withdrawn) == (1, 2, 0)
    assert (at / "x/Patient9_a.png").exists() is not is_temporary
    assert (images / "x/Patient9_a.png").read_bytes() == _png()
    assert list(taken.manifest["patient"]) == ["9", "9"]
    assert taken.boxes[CORNERS].to_numpy().tolist() == [[0, 3, 20, 30]]


def test_a_patient_in_the_labels_counts_before_the_name(tmp_path, terms):
    listed = [Listed("Patient9_a", None, patient="P-7"), Listed("Patient9_b", None)]
    taken = take_in(listed, _fetched(tmp_path / "at", {"x": b""}), tmp_path / "images", terms)
    assert list(taken.manifest["patient"]) == ["P-7", "9"]


def test_an_id_in_two_folders_keeps_both_files_and_each_its_boxes(tmp_path, terms):
    at = tmp_path / "at"
    fetched = _fetched(at, {"train/a.png": _png(10, 10), "valid/a.png": _png(20, 20)})
    whole = Box("CSP", 0.0, 0.0, 1.0, 1.0)
    listed = [Listed("a", at / side / "a.png", boxes=[whole]) for side in ("valid", "train")]
    taken = take_in(listed, fetched, tmp_path / "images", terms)
    assert (taken.images, taken.withdrawn) == (2, 0)
    assert list(zip(taken.boxes["file"], taken.boxes["x1"], strict=True)) == [("train/a.png", 10), ("valid/a.png", 20)]


def test_the_label_file_of_a_dicom_file_is_not_named_after_it(tmp_path, terms, monkeypatch):
    monkeypatch.setenv("SONOTRACE_PATIENT_KEY", "k" * 32)
    monkeypatch.chdir(tmp_path)
    pseudonyms.record()
    at = tmp_path / "at"
    fetched = _fetched(at, {"Miller/Miller.dcm": dicom(np.full((40, 50), 9, np.uint8))})
    listed = [
        Listed("Miller", at / "Miller/Miller.dcm", labelled_by="Miller/labels/Miller.txt"),
        Listed("Miller", at / "Miller/Miller.dcm", labelled_by="Miller/table.csv:2"),
        Listed("Miller2", None, labelled_by="Miller/labels/Miller2.txt"),
    ]
    table = take_in(listed, fetched, tmp_path / "images", terms).manifest
    assert "Miller" not in table.to_csv()
    assert set(table["labelled_by"]) == {f"{image}.txt" for image in table["image"]} | {"table.csv:2"}


def test_an_image_whose_name_begins_with_readme_is_taken_in(tmp_path, terms):
    fetched = _fetched(tmp_path / "at", {"README_1.png": _png()})
    taken = take_in([Listed("README_1", tmp_path / "at/README_1.png")], fetched, tmp_path / "images", terms)
    assert taken.images == 1
