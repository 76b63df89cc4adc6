"""A real archive takes a structured report by STOW-RS, finds it by QIDO-RS and gives it back by WADO-RS."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
import tiny_models
from dicom_files import dicom
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread
from pydicom.uid import ComprehensiveSRStorage, generate_uid
from servers import free_port
from typer.testing import CliRunner

from sonotrace.cli import app

ORTHANC = shutil.which("Orthanc", path="/usr/sbin:/usr/bin")
PLUGINS = sorted(Path("/usr/lib/orthanc").glob("libOrthancDicomWeb.so*"))

pytestmark = pytest.mark.skipif(
    ORTHANC is None or not PLUGINS, reason="Orthanc (Debian: orthanc, orthanc-dicomweb) is not installed"
)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[str]:
    """Run an Orthanc on loopback; return the address of its DICOMweb services."""
    port = free_port()
    settings = {
        "HttpPort": port,
        "DicomServerEnabled": False,
        "AuthenticationEnabled": False,
        "RemoteAccessAllowed": False,
        "StorageDirectory": str(tmp_path / "archive"),
        "IndexDirectory": str(tmp_path / "archive"),
        "Plugins": [str(PLUGINS[-1])],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    with (tmp_path / "orthanc.log").open("w") as log:
        server = subprocess.Popen([str(ORTHANC), str(tmp_path / "orthanc.json")], stdout=log, stderr=log)
    try:
        for _ in range(200):
            try:
                requests.get(f"http://127.0.0.1:{port}/system", timeout=1).raise_for_status()
                break
            except requests.RequestException:
                assert server.poll() is None, (tmp_path / "orthanc.log").read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/dicom-web"
    finally:
        server.terminate()
        server.wait(30)


def test_an_archive_takes_a_report_finds_it_by_its_patient_and_gives_it_back(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_models.write(Path("models"))
    Path("images").mkdir()
    uids = {name: generate_uid() for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")}
    pixels = np.full((40, 80), tiny_models.LEVELS["brain"], np.uint8)
    Path("images/a.dcm").write_bytes(dicom(pixels, PatientName="Muster^Erika", **uids))
    done = CliRunner().invoke(app, ["predict", "images", "--allow-unknown", "--sr", "sr"])
    assert done.exit_code == 0, done.output
    (path,) = Path("sr").iterdir()
    image, report = dcmread("images/a.dcm"), dcmread(path)
    client = DICOMwebClient(archive)
    client.store_instances([image, report])
    (found,) = client.search_for_series(search_filters={"PatientID": "P-1", "Modality": "SR"})
    assert found["0020000D"]["Value"] == [image.StudyInstanceUID]
    back = client.retrieve_instance(report.StudyInstanceUID, report.SeriesInstanceUID, report.SOPInstanceUID)
    assert back.SOPClassUID == ComprehensiveSRStorage
    assert back.ContentSequence == report.ContentSequence
