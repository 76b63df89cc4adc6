"""Data from elsewhere come in pinned, checked and without secrets, through both engines."""

import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from checkouts import OFFLINE, Checkout, clone
from dicom_files import dicom, region
from fake_roboflow import SIGNATURE, FakeRoboflow

KEY = secrets.token_urlsafe(15)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRoboflow]:
    """Serve a Roboflow on the loopback address, and have commands ask it."""
    with FakeRoboflow(key=KEY) as server:
        monkeypatch.setenv("API_URL", server.url)
        monkeypatch.setenv("ROBOFLOW_API_KEY", KEY)
        yield server


@pytest.fixture
def checkout(fake: FakeRoboflow, tmp_path: Path) -> Checkout:
    """Return a clone whose structures come from the fake Roboflow, pinned."""
    made = clone(tmp_path)
    _have_roboflow_asked_again_at_once(made)
    made.set_params(
        {
            "pull.structures.source": "roboflow",
            "pull.structures.roboflow.workspace": fake.workspace,
            "pull.structures.roboflow.project": fake.project,
            "pull.structures.roboflow.version": 2,
        }
    )
    made.run("sonotrace", "pin", "structures", online=True)
    made.commit("Structures from Roboflow")
    return made


def _have_roboflow_asked_again_at_once(checkout: Checkout) -> None:
    module = checkout.path / "src/sonotrace/sources/roboflow.py"
    patient = module.read_text()
    hasty = patient.replace("wait: Wait = time.sleep", "wait: Wait = lambda _: None")
    assert hasty != patient
    module.write_text(hasty)


def _hashes(checkout: Checkout) -> dict[str, str]:
    lock = yaml.safe_load((checkout.path / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for out in lock["stages"]["pull@structures"]["outs"]}


def _forget(checkout: Checkout) -> None:
    """Remove what was pulled, from the workspace, DVC's cache and the kept downloads."""
    for name in (".dvc/cache", ".sonotrace/downloads", "data/structures", "reports", ".dvc/tmp"):
        shutil.rmtree(checkout.path / name, ignore_errors=True)
    (checkout.path / "dvc.lock").unlink(missing_ok=True)


def test_a_pinned_version_gives_the_same_hashes_each_time_and_by_either_engine(
    checkout: Checkout, fake: FakeRoboflow
) -> None:
    checkout.run("dvc", "repro", "pull@structures", online=True)
    first = _hashes(checkout)
    _forget(checkout)
    before = len(fake.asked)
    checkout.run("snakemake", "--cores", "1", "pull_structures", online=True)
    assert len(fake.asked) > before
    assert _hashes(checkout) == first


@pytest.mark.skipif(not OFFLINE, reason="this machine does not let a test cut the network")
def test_after_pull_no_stage_needs_the_network(checkout: Checkout) -> None:
    checkout.run("dvc", "repro", "pull@structures", online=True)
    printed = checkout.run("dvc", "repro", "augment@structures")
    assert "Running stage 'augment@structures'" in printed


def test_no_secret_is_left_anywhere(checkout: Checkout, fake: FakeRoboflow) -> None:
    printed = [checkout.run("dvc", "repro", "-v", "pull@structures", online=True)]
    _forget(checkout)
    printed.append(checkout.run("snakemake", "--verbose", "--cores", "1", "pull_structures", online=True))
    for trouble in ([401], ["cut", "cut", "cut", "cut", "cut", "cut"]):
        _forget(checkout)
        fake.api = list(trouble)
        printed.append(checkout.run("dvc", "repro", "-v", "pull@structures", online=True, fails=True))
        fake.api = list(trouble)
        printed.append(
            checkout.run("snakemake", "--verbose", "--cores", "1", "pull_structures", online=True, fails=True)
        )
    fake.api = []
    _forget(checkout)
    fake.download = ["html"]
    printed.append(checkout.run("dvc", "repro", "-v", "pull@structures", online=True, fails=True))
    tests = checkout.path / "tests"  # the fake's own text says what it signs with
    files = [path for top in (checkout.path, checkout.home) for path in top.rglob("*") if path.is_file()]
    files = [path for path in files if not path.is_relative_to(tests)]
    assert len(files) > 100
    for secret in (KEY, SIGNATURE):
        assert not [text for text in printed if secret in text]
        assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_one_changed_label_stops_and_is_taken_over_by_one_command(checkout: Checkout, fake: FakeRoboflow) -> None:
    checkout.run("dvc", "repro", "pull@structures", online=True)
    out = checkout.path / "data/structures/pull"
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    shutil.rmtree(checkout.path / ".sonotrace/downloads")
    fake.changed_label = True
    printed = checkout.run("dvc", "repro", "--force", "--single-item", "pull@structures", online=True, fails=True)
    assert "1 changed (" in printed
    assert "/labels/" in printed
    checkout.run("dvc", "checkout", "pull@structures")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert "1 changed (" in checkout.run("sonotrace", "pin", "structures", online=True)
    old = _hashes(checkout)
    checkout.run("dvc", "repro", "pull@structures", online=True)
    assert {path for path, md5 in _hashes(checkout).items() if old[path] != md5} >= {"data/structures/pull/boxes.csv"}


def test_sources_tells_what_is_pinned_and_whether_there_is_newer(checkout: Checkout) -> None:
    checkout.run("dvc", "repro", "pull@structures", online=True)
    checkout.commit("Pulled")
    printed = checkout.run("sonotrace", "sources")
    pin = json.loads((checkout.path / "data/roboflow/structures/pin.json").read_text())
    for told in ("hospital/fetal-head/2 yolov8", pin["fingerprint"], pin["licence"], ", commit ", "images"):
        assert told in printed
    assert "hospital/fetal-head/5" in checkout.run("sonotrace", "sources", "--check", online=True, fails=True)
    assert checkout.run("git", "status", "--porcelain") == ""
    checkout.set_params({"pull.structures.roboflow.version": 5})
    checkout.run("sonotrace", "sources", "--check", online=True)
    printed = checkout.run("dvc", "repro", "pull@structures", online=True, fails=True)
    assert "run `sonotrace pin structures` to pin that instead" in printed


PLANTED = {
    "PatientName": "PLANTED^NAME",
    "PatientID": "PLANTED-ID-{}",
    "PatientBirthDate": "19870605",
    "PatientAddress": "PLANTED STREET 5",
    "PatientTelephoneNumbers": "PLANTED-PHONE",
    "PatientMotherBirthName": "PLANTED^MOTHER",
    "PatientComments": "PLANTED COMMENT",
    "OtherPatientNames": "PLANTED^OTHER",
    "EthnicGroup": "PLANTED GROUP",
    "Occupation": "PLANTED WORK",
    "AccessionNumber": "PLANTED-ACC",
    "StudyID": "PLANTED-STUDY",
    "StudyDescription": "PLANTED STUDY TEXT",
    "SeriesDescription": "PLANTED SERIES TEXT",
    "InstitutionName": "PLANTED HOSPITAL",
    "InstitutionAddress": "PLANTED TOWN",
    "ReferringPhysicianName": "PLANTED^DOCTOR",
    "PerformingPhysicianName": "PLANTED^OPERATOR",
    "StationName": "PLANTED-STATION",
    "ImageComments": "PLANTED PICTURE",
}
FILE = f"SURNAME{secrets.token_hex(4)}"
"""What the names of the files begin with; another in each run, to be told from what others left."""
INK = bytes([201, 17, 233, 5, 190, 44, 120, 77] * 4)


def _scan(number: int) -> bytes:
    """Return a DICOM file with its patient's name in twenty attributes and as ink above the picture."""
    pixels = np.random.default_rng(number).integers(60, 100, (120, 160), dtype=np.uint8)
    pixels[2, : len(INK)] = np.frombuffer(INK, np.uint8)
    texts = {name: text.format(number // 2) for name, text in PLANTED.items()}
    return dicom(
        pixels, regions=[region(10, 20, 150, 110)], SOPInstanceUID=f"1.2.826.0.1.3680043.8.498.{number + 1}", **texts
    )


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """Return a clone with DICOM files, named after their patients, as its planes."""
    monkeypatch.setenv("SONOTRACE_PATIENT_KEY", "a key of the hospital that nobody else knows")
    made = clone(tmp_path)
    made.set_params({"pull.planes.source": "incoming", "validate.planes.max_quarantined": "0.5"})
    origin = made.path / "data/incoming/planes"
    origin.mkdir(parents=True)
    planes = ("abdomen", "brain", "femur", "thorax")
    rows = [f"{FILE}_{number},Fetal {planes[number % 4]}" for number in range(24)]
    (origin / "image_label.csv").write_text("\n".join(["Image_name,Plane", *rows, f"{FILE}_lost,Fetal brain\n"]))
    for number in range(24):
        (origin / f"{FILE}_{number}.dcm").write_bytes(_scan(number))
    (origin / f"{FILE}_5.dcm").rename(origin / f"{FILE}_5.png")
    (origin / f"{FILE}_23.dcm").write_bytes(_scan(23)[:200])
    made.run("sonotrace", "patient-key")
    made.run("dvc", "add", "data/incoming/planes")
    return made


def _holding(folder: Path, *secrets: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and any(s in path.read_bytes() for s in secrets)]


def test_what_dicom_files_say_of_patients_stays_where_they_lie(hospital: Checkout) -> None:
    refused = hospital.run("dvc", "repro", "pull@planes", fails=True)
    assert "data/incoming/planes.dvc: DICOM files name their patients" in refused
    origin = hospital.path / "data/incoming/planes"
    assert (origin / f"{FILE}_5.png").read_bytes()[128:132] == b"DICM", "one has the ending of another image"
    tracked = hospital.path / "data/incoming/planes.dvc"
    tracked.write_text(tracked.read_text().replace("- md5", "- push: false\n  md5"))
    hospital.commit("Snapshot")
    printed = hospital.run("dvc", "repro", "-v", "augment@planes")
    assert "25 rows" in printed

    manifest = pd.read_csv(hospital.path / "data/planes/pull/manifest.csv", dtype=str, keep_default_na=False)
    read = manifest[manifest["file"] != ""]
    assert (len(read), read["patient"].nunique()) == (23, 12)
    assert set(read["width"] + "x" + read["height"]) == {"140x90"}
    assert set(read["mm_per_px_x"]) == {"0.5"}
    for row in read.itertuples():
        pixels = cv2.imread(str(hospital.path / "data/planes/pull/images" / row.file), cv2.IMREAD_GRAYSCALE)
        assert 60 <= pixels.min() <= pixels.max() < 100, "ink"

    # They lie in the user's folder and in DVC's copy of it; their names in what DVC notes of it, too.
    secrets_of_patients = (b"PLANTED", FILE.encode(), INK)
    originals = {path.read_bytes() for path in (hospital.path / "data/incoming/planes").iterdir()}
    holding = {
        path.relative_to(hospital.path)
        for path in _holding(hospital.path, *secrets_of_patients)
        if path.read_bytes() not in originals
    }
    assert not {path for path in holding if path.parts[0] not in {"tests", ".dvc", ".sonotrace"}}
    assert not {path for path in holding if path.parts[0] == ".dvc" and path.suffix != ".dir"}
    assert not {path for path in holding if path.parts[0] == ".sonotrace" and path.parts[1] != "dvc"}
    for outside in (hospital.home, Path("/var/tmp/dvc")):  # noqa: S108 - where DVC writes if left alone
        assert not _holding(outside, *secrets_of_patients)
    assert not [secret for secret in secrets_of_patients if secret.decode("latin-1") in printed + refused]

    remote = hospital.path.parent / "remote"
    hospital.run("dvc", "remote", "add", "--default", "remote", str(remote))
    hospital.run("dvc", "push", "--run-cache")
    assert len(list(remote.rglob("*"))) > 50
    assert not _holding(remote, *secrets_of_patients)


def test_a_patient_from_dicom_is_found_by_their_own_id_with_the_key(
    hospital: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked = hospital.path / "data/incoming/planes.dvc"
    tracked.write_text(tracked.read_text().replace("- md5", "- push: false\n  md5"))
    hospital.run("dvc", "repro", "split@planes")
    hospital.commit("Split")
    found = json.loads(hospital.run("sonotrace", "lineage", "--patient", "PLANTED-ID-3", "--json"))
    (entry,) = found["held"]
    assert sum(map(len, entry["sides"].values())) == 2
    monkeypatch.delenv("SONOTRACE_PATIENT_KEY")
    printed = hospital.run("sonotrace", "lineage", "--patient", "PLANTED-ID-3", fails=True)
    assert "SONOTRACE_PATIENT_KEY is not set" in printed
    monkeypatch.setenv("SONOTRACE_PATIENT_KEY", "another key, as long as it has to be, but another")
    assert "not the key" in hospital.run("sonotrace", "lineage", "--patient", "PLANTED-ID-3", fails=True)


def test_dicom_files_in_an_archive_are_kept_from_remotes_too(hospital: Checkout, tmp_path: Path) -> None:
    origin = hospital.path / "data/incoming/planes"
    packed = shutil.make_archive(str(tmp_path / "all"), "gztar", origin)
    shutil.rmtree(origin)
    origin.mkdir()
    shutil.move(packed, origin / "all.tar.gz")
    hospital.run("dvc", "add", "data/incoming/planes")
    printed = hospital.run("sonotrace", "pull", "planes", fails=True)
    assert "data/incoming/planes.dvc: DICOM files name their patients" in printed


def test_another_key_would_rename_everyone_and_is_refused(hospital: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONOTRACE_PATIENT_KEY", "another key, as long as it has to be, but another")
    (hospital.path / "data/incoming/planes.dvc").unlink()
    printed = hospital.run("sonotrace", "pull", "planes", fails=True)
    assert "data/patient-key.json" in printed
    assert "another key" not in printed
    assert not (hospital.path / "data/planes/pull/manifest.csv").exists()
