"""The bill of materials is CycloneDX to the library's strict validator, and its hashes are the files'."""

import hashlib
import json

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from recorded_run import IMAGE, PATIENT, SCORE, commit, make

from sonotrace.errors import SonotraceError
from sonotrace.export import mlbom
from sonotrace.models.published import PUBLISHED


@pytest.fixture
def written(recorded, tmp_path):
    mlbom.write(recorded, tmp_path / "bom.json")
    return (tmp_path / "bom.json").read_text()


@pytest.fixture
def components(written):
    return {component["bom-ref"]: component for component in json.loads(written)["components"]}


def test_the_document_is_strict_cyclonedx(written):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None
    assert json.loads(written)["specVersion"] == "1.6"


def test_both_models_are_named_with_the_hash_of_their_file(components):
    for data_set, name in (("planes", "planes.keras"), ("structures", "structures.pt")):
        model = components[f"model:{data_set}"]
        assert (model["type"], model["name"]) == ("machine-learning-model", name)
        assert model["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(data_set.encode()).hexdigest()}]


def test_a_card_has_data_scores_with_intervals_and_limits(components):
    card = components["model:planes"]["modelCard"]
    assert card["modelParameters"]["datasets"] == [{"ref": "data:planes"}]
    interval = {"lowerBound": str(SCORE["low"]), "upperBound": str(SCORE["high"])}
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "f1", "slice": "overall", "value": "0.75", "confidenceInterval": interval},
        {"type": "recall", "slice": "brain", "value": "0.75", "confidenceInterval": interval},
    ]
    limits = " ".join(card["considerations"]["technicalLimitations"])
    assert "not a medical device" in limits
    assert "9 test images, 5 test patients" in limits


def test_training_parameters_are_said_without_places_on_this_machine(components, written):
    said = {one["name"]: one["value"] for one in components["model:structures"]["properties"]}
    assert said == {
        "sonotrace:train_yolo.structures.epochs": "2",
        "sonotrace:train_yolo.structures.weights": "weights.pt",
    }
    assert "/home" not in written


def test_the_weights_that_a_model_began_with_are_its_ancestors(recorded, components):
    assert "pedigree" not in components["model:planes"]
    lock = yaml.safe_load((recorded / "dvc.lock").read_text())
    values = lock["stages"]["train_cnn@planes"]["params"]["params.yaml"]
    values["train_cnn.planes"] = {"architecture": "efficientnet_lite0", "weights": "imagenet", "epochs": 3}
    (recorded / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    content = yaml.safe_load((recorded / "params.yaml").read_text())
    content["train_cnn"]["planes"] = values["train_cnn.planes"]
    (recorded / "params.yaml").write_text(yaml.safe_dump(content))
    commit(recorded)
    mlbom.write(recorded, recorded.parent / "with.json")
    found = json.loads((recorded.parent / "with.json").read_text())
    model = next(one for one in found["components"] if one["bom-ref"] == "model:planes")
    (ancestor,) = model["pedigree"]["ancestors"]
    assert ancestor["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert ancestor["hashes"] == [{"alg": "SHA-256", "content": PUBLISHED["efficientnet_lite0"].sha256}]
    assert "ImageNet" in ancestor["description"]


def test_a_snapshot_is_a_component_with_fingerprint_licence_and_counts(components):
    data = components["data:planes"]
    assert (data["type"], data["licenses"]) == ("data", [{"license": {"name": "CC BY 4.0"}}])
    assert data["properties"] == [{"name": "sonotrace:fingerprint", "value": f"sha256:{'4' * 64}"}]
    counts = {one["name"]: one["value"] for one in data["data"][0]["contents"]["properties"]}
    assert counts["sonotrace:sides.train.patients"] == "1"
    assert counts["sonotrace:snapshot.preprocessing.resize"] == "640x480"


def test_every_locked_dependency_is_there_with_version_and_hashes(components):
    libraries = {ref: one for ref, one in components.items() if one["type"] == "library"}
    assert libraries.keys() == {"pypi:colorama@0.4.6", "pypi:dvc@3.67.1"}
    dvc = libraries["pypi:dvc@3.67.1"]
    assert (dvc["version"], dvc["purl"]) == ("3.67.1", "pkg:pypi/dvc@3.67.1")
    assert [digest["content"] for digest in dvc["hashes"]] == ["2" * 64, "3" * 64]


def test_no_patient_and_no_image_is_named(written):
    assert PATIENT not in written
    assert IMAGE not in written


def test_two_exports_of_a_commit_are_the_same_bytes(written, tmp_path):
    elsewhere = make(tmp_path / "elsewhere" / "below")
    mlbom.write(elsewhere, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == written
    assert str(tmp_path) not in written
    assert json.loads(written)["metadata"]["timestamp"] == "2026-01-02T08:04:05+00:00"


def test_a_document_that_is_not_cyclonedx_is_not_written(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(mlbom, "LIMITS", 1)
    with pytest.raises(SonotraceError, match=r"bom.json: would not be CycloneDX 1.6"):
        mlbom.write(recorded, tmp_path / "bom.json")
    assert not list(tmp_path.glob("bom*"))
