"""The crate passes the profile's own validator, and holds what it says it holds."""

import hashlib
import json

import pytest
from crate_validator import issues
from recorded_run import IMAGE, PATIENT, exported, make
from rocrate_validator.models import Severity

from sonotrace.errors import SonotraceError
from sonotrace.export import rocrate

NOT_SAID = {
    "The Application SHOULD have a url",
    "The `publisher` property of a `Root Data Entity` SHOULD be an `Organization`",
    "The author SHOULD have an organizational affiliation.",
    "The author SHOULD have a Contextual Entity which specifies the organizational `affiliation`.",
    # Said of the types in the validator's own ontology, not of anything in the crate.
    "The SoftwareApplication id SHOULD be an absolute URI",
}
"""Recommendations that no repository can follow by itself: who publishes it, and where."""


@pytest.fixture
def crate(recorded, tmp_path):
    rocrate.write(recorded, tmp_path / "crate")
    return tmp_path / "crate"


def _entities(crate):
    graph = json.loads((crate / "ro-crate-metadata.json").read_bytes())["@graph"]
    return {entity["@id"]: entity for entity in graph}


def test_the_crate_is_a_workflow_run_crate(crate, tmp_path):
    assert issues(crate, tmp_path, Severity.REQUIRED) == []
    assert {issue.split(": ", 2)[2] for issue in issues(crate, tmp_path, Severity.RECOMMENDED)} <= NOT_SAID


def test_the_validator_would_notice(crate, tmp_path):
    path = crate / "ro-crate-metadata.json"
    path.write_text(path.read_text().replace('"instrument"', '"agent"'))
    assert any("instrument" in issue for issue in issues(crate, tmp_path, Severity.REQUIRED))


def test_every_file_is_there_with_the_hash_and_size_that_are_said(crate, recorded):
    files = {name: entity for name, entity in _entities(crate).items() if "sha256" in entity}
    assert {"dvc.yaml", "dvc.lock", "params.yaml", "requirements.lock", "models/planes.keras"} <= files.keys()
    for name, entity in files.items():
        content = (crate / name).read_bytes()
        assert content == (recorded / name).read_bytes()
        assert (entity["sha256"], entity["contentSize"]) == (hashlib.sha256(content).hexdigest(), str(len(content)))
    assert exported(crate).keys() == files.keys() | {"ro-crate-metadata.json", "README.md"}


def test_the_run_says_what_went_in_what_came_out_who_and_when(crate):
    run = _entities(crate)["#run"]
    assert run["instrument"] == {"@id": "dvc.yaml"}
    assert [one["@id"] for one in run["object"]] == ["params.yaml", "#snapshot-planes", "#snapshot-structures"]
    assert {"@id": "models/structures.pt"} in run["result"]
    assert {"@id": "metrics/planes_detail.json"} in run["result"]
    assert run["endTime"] == _entities(crate)["./"]["datePublished"] == "2026-01-02T08:04:05+00:00"
    assert _entities(crate)[run["agent"]["@id"]]["name"] == "Ada Example"


def test_a_snapshot_is_described_and_not_copied(crate):
    snapshot = _entities(crate)["#snapshot-planes"]
    assert (snapshot["identifier"], snapshot["license"]) == (f"sha256:{'4' * 64}", "CC BY 4.0")
    assert "version" not in snapshot
    for name, content in exported(crate).items():
        assert PATIENT not in name
        assert PATIENT.encode() not in content
        assert IMAGE.encode() not in content


def test_two_exports_of_a_commit_are_the_same_bytes(crate, tmp_path):
    elsewhere = make(tmp_path / "elsewhere" / "below")
    rocrate.write(elsewhere, tmp_path / "again")
    assert exported(tmp_path / "again") == exported(crate)
    assert str(tmp_path).encode() not in b"".join(exported(crate).values())


def test_nothing_is_left_of_a_crate_that_was_refused(recorded, tmp_path):
    (recorded / "models/planes.keras").write_text("other")
    with pytest.raises(SonotraceError, match=r"^models/planes.keras: altered"):
        rocrate.write(recorded, tmp_path / "crate")
    assert not list(tmp_path.glob("crate*"))


def test_a_crate_that_could_not_be_written_whole_is_not_left_in_parts(recorded, tmp_path, monkeypatch):
    def full(_crate, folder):
        (folder / "models").mkdir(parents=True)
        raise OSError(28, "No space left on device", str(folder))

    monkeypatch.setattr("rocrate.rocrate.ROCrate.write", full)
    with pytest.raises(OSError, match="No space left"):
        rocrate.write(recorded, tmp_path / "crate")
    assert not list(tmp_path.glob("crate*"))
