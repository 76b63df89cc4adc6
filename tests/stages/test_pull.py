"""What a snapshot holds comes in as it is, one row each."""

import hashlib
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from sonotrace.errors import SonotraceError
from sonotrace.stages.pull import run
from sonotrace.tables import CORNERS, read_table


def _png(width=40, height=30, level=0):
    return cv2.imencode(".png", np.full((height, width), level, np.uint8))[1].tobytes()


def _lay_out(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


PLANES = {
    "image_label.csv": "Image_name,Plane\nPatient01_a,Fetal brain\nPatient01_b,Fetal femur\nPatient02_c,Other\n",
    "images/Patient01_a.png": _png(40, 30),
    "images/Patient01_b.png": b"<html>",
    "images/scan.png": _png(8, 9),
}
STRUCTURES = {
    "data.yaml": "names: [MIDLINE_FALX, CSP, CHOROID_PLEXUS]\n",
    "train/images/007_HC_png.rf.aa.jpg": _png(200, 100),
    "train/labels/007_HC_png.rf.aa.txt": "1 0.5 0.5 0.1 0.2\n0 0.25 0.5 0.5 0.1\n",
    "valid/images/008_2HC_png.rf.bb.jpg": _png(200, 100, 5),
}


def test_each_row_of_planes_is_listed_with_its_image(work, set_param):
    set_param("pull.planes.source", "incoming")
    _lay_out(work / "data/incoming/planes", PLANES)
    run("planes")
    table = read_table(Path("data/planes/pull/manifest.csv")).set_index("image")
    assert list(table.index) == ["Patient01_a", "Patient01_b", "Patient02_c", "scan"]
    first = table.loc["Patient01_a"]
    assert (first["file"], first["patient"], first["width"], first["height"], first["label"], first["labelled_by"]) == (
        "images/Patient01_a.png",
        "01",
        40,
        30,
        "Fetal brain",
        "image_label.csv:2",
    )
    assert first["sha256"] == hashlib.sha256(PLANES["images/Patient01_a.png"]).hexdigest()
    assert list(table["patient"]) == ["01", "01", "02", ""]
    assert list(table["width"]) == [40, 0, 0, 8]
    assert list(table["file"] != "") == [True, True, False, True]
    assert read_table(Path("data/planes/pull/boxes.csv")).empty
    for name, content in PLANES.items():
        if name.startswith("images/"):
            assert (work / "data/planes/pull/images" / name).read_bytes() == content
            assert (work / "data/incoming/planes" / name).read_bytes() == content


def test_boxes_of_structures_come_by_name_and_in_px(work, set_param):
    set_param("pull.structures.source", "incoming")
    _lay_out(work / "data/incoming/structures", STRUCTURES)
    run("structures")
    table = read_table(Path("data/structures/pull/manifest.csv"))
    assert list(table["image"]) == ["007_HC_png.rf.aa", "008_2HC_png.rf.bb"]
    assert list(table["patient"]) == ["007", "008"]
    assert list(table["source_image"]) == ["007_HC_png", "008_2HC_png"]
    assert list(table["official_split"]) == ["train", "val"]
    assert list(table["labelled_by"]) == ["train/labels/007_HC_png.rf.aa.txt", ""]
    boxes = read_table(Path("data/structures/pull/boxes.csv"))
    assert list(boxes["structure"]) == ["CSP", "MIDLINE_FALX"]
    assert boxes[CORNERS].to_numpy().tolist() == [[90, 40, 110, 60], [0, 45, 100, 55]]


def test_a_zip_gives_the_same_tables_as_the_folder(work, set_param):
    set_param("pull.structures.source", "incoming")
    origin = work / "data/incoming/structures"
    _lay_out(origin, STRUCTURES)
    run("structures")
    out = work / "data/structures/pull"
    before = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for path in sorted(origin.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with zipfile.ZipFile(origin / "export.zip", "w") as archive:
        for name, content in STRUCTURES.items():
            archive.writestr(name, content)
    run("structures")
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert {path.name for path in out.iterdir()} == {"images", "manifest.csv", "boxes.csv"}


def test_a_missing_source_is_named(work, set_param):
    set_param("pull.planes.source", "incoming")
    with pytest.raises(SonotraceError, match="data/incoming/planes: no such folder; put the snapshot there"):
        run("planes")
    assert not (work / "data/planes").exists()


def test_a_failed_pull_leaves_the_last_one(work, set_param):
    set_param("pull.planes.source", "incoming")
    _lay_out(work / "data/incoming/planes", PLANES)
    run("planes")
    (work / "data/incoming/planes/image_label.csv").unlink()
    with pytest.raises(SonotraceError, match="no such label table"):
        run("planes")
    assert len(read_table(Path("data/planes/pull/manifest.csv"))) == 4
    assert {path.name for path in (work / "data/planes/pull").iterdir()} == {"images", "manifest.csv", "boxes.csv"}


def test_files_left_out_are_counted_in_the_report_and_named_by_kind_on_the_terminal(work, set_param, capsys):
    set_param("pull.planes.source", "incoming")
    _lay_out(work / "data/incoming/planes", PLANES)
    run("planes")
    assert "ignored" not in json.loads(Path("reports/planes/snapshot.json").read_text())
    _lay_out(work / "data/incoming/planes", {"clip.mp4": b"x", "more/clip.mp4": b"x", ".DS_Store": b"x"})
    capsys.readouterr()
    run("planes")
    assert json.loads(Path("reports/planes/snapshot.json").read_text())["ignored"] == 3
    said = "pull: note: left out, as neither images nor labels: 2 .mp4, 1 hidden\n"
    assert said in capsys.readouterr().out


def test_an_image_that_cannot_be_read_is_listed(work, set_param):
    set_param("pull.planes.source", "incoming")
    _lay_out(work / "data/incoming/planes", PLANES | {"images/b.webp": b"RIFF    WEBP", "images/c.jfif": b"\xff\xd8"})
    run("planes")
    files = list(read_table(Path("data/planes/pull/manifest.csv"))["file"])
    assert {"images/b.webp", "images/c.jfif"} <= set(files)
