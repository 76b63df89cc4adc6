"""A structured report says what predict says, of the right image, in a form that other programs read."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import highdicom
import numpy as np
import pytest
import tiny_models
from dicom_files import dicom, region
from pydicom import dcmread
from pydicom.uid import ComprehensiveSRStorage, generate_uid
from typer.testing import CliRunner

from sonotrace import cli
from sonotrace.cli import app
from sonotrace.images.grey import write_png

NAME, NUMBER = "Muster^Erika", "P-4711"


def _image(level, frames=1, **attributes):
    """Return an ultrasound image, or a clip, whose region is the full frame without a band of 10 px on the left."""
    pixels = np.full((40, 74), level, np.uint8)
    if frames > 1:
        pixels = np.stack([pixels] * frames)
    given = {
        "PatientName": NAME,
        "PatientID": NUMBER,
        "PatientSex": "F",
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "SOPInstanceUID": generate_uid(),
        "StudyDate": "20260101",
        "AccessionNumber": "A-1",
    }
    return dicom(pixels, regions=[region(10, 4, 74, 36)], **(given | attributes))


@pytest.fixture
def place(tmp_path, monkeypatch):
    tiny_models.write(tmp_path / "models")
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _reports(*arguments, code=0):
    done = CliRunner().invoke(app, ["predict", "images", "--allow-unknown", "--sr", "sr", *arguments])
    assert done.exit_code == code, done.output
    return done, [dcmread(path) for path in sorted(Path("sr").glob("*.dcm"))]


def _said(report, finding):
    """Return the groups of a report with that finding."""
    content = highdicom.sr.ComprehensiveSR.from_dataset(report).content
    planar = content.get_planar_roi_measurement_groups()
    return [
        group for group in [*planar, *content.get_image_measurement_groups()] if group.finding_type.meaning == finding
    ]


def test_a_report_holds_plane_probabilities_and_boxes_in_px_of_the_full_frame(place):
    (place / "images/a.dcm").write_bytes(_image(tiny_models.LEVELS["brain"]))
    done, (report,) = _reports("--json")
    said = json.loads(done.stdout.splitlines()[-1])
    assert report.SOPClassUID == ComprehensiveSRStorage
    assert (report.PatientName, report.PatientID, report.AccessionNumber) == (NAME, NUMBER, "A-1")
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    (plane,) = _said(report, "Standard plane")
    (evaluation,) = plane.get_qualitative_evaluations()
    assert evaluation.value.meaning == "Fetal brain plane"
    found = {one.name.meaning: one.value for one in plane.get_measurements()}
    assert found["Fetal brain plane"] == pytest.approx(100 * said["probabilities"]["brain"], abs=0.01)
    assert len(found) == 4
    (csp,) = _said(report, "Cavum septi pellucidi")
    (box,) = [one["box"] for one in said["structures"]]
    corners = csp.roi.value
    assert (*corners.min(axis=0), *corners.max(axis=0)) == pytest.approx(box)
    assert (corners[0] == corners[-1]).all()
    assert csp.get_measurements()[0].value == pytest.approx(90)
    image = dcmread(place / "images/a.dcm")
    assert image.SOPInstanceUID in report.to_json()
    assert report.StudyInstanceUID == image.StudyInstanceUID
    assert report.SeriesInstanceUID != image.SeriesInstanceUID


def test_each_group_names_the_algorithm_and_the_hash_of_its_model(place):
    (place / "images/a.dcm").write_bytes(_image(tiny_models.LEVELS["brain"]))
    _, (report,) = _reports()
    text = report.to_json()
    for kind in ("planes", "structures"):
        digest = subprocess.run(
            ["sha256sum", f"models/{kind}.onnx"], capture_output=True, text=True, check=True
        ).stdout.split()[0]
        assert f"model sha256 {digest}" in text


def test_an_image_that_is_none_of_the_planes_is_said_to_be_none(place):
    (place / "images/a.dcm").write_bytes(_image(tiny_models.FAR))
    _, (report,) = _reports()
    (plane,) = _said(report, "Standard plane")
    assert plane.get_qualitative_evaluations()[0].value.meaning == "None of the planes known"
    assert _said(report, "Cavum septi pellucidi") == []


def test_a_clip_has_one_report_that_tells_its_frames_apart(place):
    (place / "images/a.dcm").write_bytes(_image(tiny_models.LEVELS["brain"], frames=3))
    _, (report,) = _reports("--frames", "all")
    groups = _said(report, "Standard plane")
    referenced = [group.source_images[0].ReferencedSOPSequence[0].ReferencedFrameNumber for group in groups]
    assert referenced == [1, 2, 3]


def test_what_is_no_dicom_or_belongs_to_no_study_gets_no_report_and_says_so(place):
    (place / "images/a.dcm").write_bytes(_image(tiny_models.LEVELS["brain"], StudyInstanceUID=""))
    write_png(np.full((32, 64), 60, np.uint8), place / "images/b.png")
    done, reports = _reports(code=1)
    assert reports == []
    assert "error: images/a.dcm: has no StudyInstanceUID, which a report must name" in done.stderr
    assert "note: no structured report of 1 images that are not DICOM" in done.stderr


@pytest.mark.parametrize("attributes", [{"StudyDate": "2026.1"}, {"PatientSex": "FEMALE"}])
def test_a_file_whose_attributes_no_report_may_hold_is_said_and_the_rest_goes_on(place, attributes):
    (place / "images/a.dcm").write_bytes(_image(tiny_models.LEVELS["brain"], **attributes))
    (place / "images/b.dcm").write_bytes(_image(tiny_models.LEVELS["brain"]))
    done, reports = _reports(code=1)
    assert len(reports) == 1
    assert "error: images/a.dcm: an attribute of the patient or the study is not valid DICOM" in done.stderr
    assert not any(value in done.output for value in attributes.values())


def test_a_name_that_libraries_would_warn_of_is_printed_nowhere(place):
    (place / "images/a.dcm").write_bytes(_image(tiny_models.LEVELS["brain"], PatientName="Muster"))
    command = [sys.executable, "-m", "sonotrace", "predict", "images", "--allow-unknown", "--sr", "sr"]
    env = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, check=True)
    assert "1 structured reports" in done.stderr
    assert "Muster" not in done.stdout + done.stderr


def test_identifiers_are_in_the_report_alone_and_only_its_owner_may_read_it(place):
    (place / "images/a.dcm").write_bytes(_image(tiny_models.LEVELS["brain"]))
    done, _ = _reports("--draw", "drawn", "--json")
    assert NAME not in done.output
    assert NUMBER not in done.output
    (report,) = (place / "sr").iterdir()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    for path in place.rglob("*"):
        if path.is_file() and path != report and path.name != "a.dcm":
            assert NAME.encode() not in path.read_bytes(), path
            assert NUMBER.encode() not in path.read_bytes(), path


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
def test_an_independent_checker_finds_no_error(place):
    (place / "images/a.dcm").write_bytes(_image(tiny_models.LEVELS["brain"]))
    _reports()
    (report,) = (place / "sr").iterdir()
    done = subprocess.run(["dciodvfy", str(report)], capture_output=True, text=True, check=False)
    errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
    assert errors == []
    assert "ComprehensiveSR" in done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("dsrdump") is None, reason="dsrdump (Debian: dcmtk) is not installed")
def test_another_library_reads_the_tree(place):
    (place / "images/a.dcm").write_bytes(_image(tiny_models.LEVELS["brain"]))
    _reports()
    (report,) = (place / "sr").iterdir()
    done = subprocess.run(["dsrdump", str(report)], capture_output=True, text=True, check=True)
    assert "Cavum septi pellucidi" in done.stdout or "cavum septi pellucidi" in done.stdout
    assert "POLYLINE" in done.stdout


def test_a_value_of_an_unknown_kind_is_reported_and_the_rest_goes_on(place):
    content = _image(tiny_models.LEVELS["brain"])
    (place / "images/a.dcm").write_bytes(content.replace(b"\x20\x00\x0d\x00UI", b"\x20\x00\x0d\x00WI"))
    (place / "images/b.dcm").write_bytes(content)
    done, reports = _reports(code=1)
    assert len(reports) == 1
    assert "error: images/a.dcm: an attribute of the patient or the study is not valid DICOM" in done.stderr
