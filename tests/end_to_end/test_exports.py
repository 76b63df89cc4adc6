"""A finished run goes out in every form, each form's own validator takes it, and nobody is named in it."""

import csv
import json
from pathlib import Path

import mlcroissant
import pytest
from checkouts import Checkout
from crate_validator import issues
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from recorded_run import exported
from rocrate_validator.models import Severity

FORMS = {"rocrate": "crate", "croissant": "croissant", "mlbom": "bom.json"}


@pytest.fixture(scope="module")
def checkout(by_dvc: Checkout) -> Checkout:
    """Return a checkout after a run, committed, to tamper with."""
    return by_dvc


@pytest.fixture(scope="module")
def out(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    for form, name in FORMS.items():
        assert checkout.run("sonotrace", "export", form, str(folder / name)) == ""
    return folder


def test_the_crate_is_a_workflow_run_crate(out: Path, tmp_path: Path) -> None:
    assert issues(out / "crate", tmp_path, Severity.REQUIRED) == []


def test_croissants_own_command_takes_both_descriptions(out: Path, checkout: Checkout) -> None:
    for data_set in ("planes", "structures"):
        path = out / f"croissant/{data_set}.json"
        assert "Done." in checkout.run("mlcroissant", "validate", "--jsonld", str(path))
        tables = {"manifest.csv": f"data/{data_set}/pull/manifest.csv"}
        dataset = mlcroissant.Dataset(path, mapping={name: str(checkout.path / at) for name, at in tables.items()})
        with (checkout.path / tables["manifest.csv"]).open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        widths = [record["manifest/width"] for record in dataset.records("manifest")]
        assert widths == [int(row["width"]) for row in rows]
        assert len(widths) > 20


def test_the_bill_of_materials_is_strict_cyclonedx(out: Path) -> None:
    text = (out / "bom.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    kinds = [component["type"] for component in json.loads(text)["components"]]
    assert (kinds.count("machine-learning-model"), kinds.count("data")) == (2, 2)
    assert kinds.count("library") > 200


def test_no_patient_image_or_place_is_named(out: Path, checkout: Checkout) -> None:
    names: set[str] = set()
    for data_set in ("planes", "structures"):
        with (checkout.path / f"data/{data_set}/pull/manifest.csv").open(newline="") as stream:
            names |= {row[key] for row in csv.DictReader(stream) for key in ("image", "file", "source_image")}
    names |= {str(checkout.path), str(out)}
    names -= {""}
    assert len(names) > 100
    assert (checkout.path / "reports/planes/test_patients.csv").is_file()
    assert not [path for path in exported(out) if path.endswith(".csv")]
    for path, content in exported(out).items():
        assert not [name for name in names if name.encode() in content or name in path], path


def test_two_exports_of_a_commit_are_the_same_bytes(out: Path, checkout: Checkout, tmp_path: Path) -> None:
    for form, name in FORMS.items():
        checkout.run("sonotrace", "export", form, str(tmp_path / name))
    assert exported(tmp_path) == exported(out)


def test_models_are_signed_and_verified_and_an_altered_one_is_neither_verified_nor_exported(
    checkout: Checkout, tmp_path: Path
) -> None:
    private, public = str(tmp_path / "private.pem"), str(tmp_path / "public.pem")
    checkout.run("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", private)
    checkout.run("openssl", "ec", "-in", private, "-pubout", "-out", public)
    verify = ("sonotrace", "verify", "--signature", "--key", public)
    checkout.run("sonotrace", "sign", "--key", private)
    assert checkout.run(*verify) == "verified: every model has a signature that holds for this key\n"
    assert checkout.run("git", "status", "--porcelain") == ""
    assert "up to date" in checkout.run("dvc", "status")
    model = checkout.path / "models/planes.keras"
    content = model.read_bytes()
    model.chmod(0o644)
    model.write_bytes(content + b"x")
    problem, error = checkout.run(*verify, fails=True).splitlines()
    assert problem.startswith("models/planes.keras: altered; not what models/planes.keras.sig covers; restore it")
    assert error == "error: 1 things are not as signed"
    said = checkout.run("sonotrace", "export", "mlbom", str(tmp_path / "bom.json"), fails=True)
    assert said.startswith("error: models/planes.keras: altered; ")
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "bom.json").exists()
    model.write_bytes(content)
    checkout.run(*verify)
