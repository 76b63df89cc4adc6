"""Another data set takes lines in params.yaml, a folder for its source, and no code; so does a cohort."""

import csv
import json
import shutil

import numpy as np
import pytest
import yaml
from checkouts import Checkout, clone, stages_run

from sonotrace.images.grey import write_png

ALL_ON_TEST = {"train": 0, "val": 0, "test": 1}
SECOND = ["pull", "validate", "split", "prepare", "augment", "train_cnn", "evaluate", "export_onnx"]
COHORT = ["pull", "validate", "split", "prepare", "evaluate"]


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a clone with a second data set of planes, `second`, and two to measure its model on, by params.yaml alone.

    `abroad` is a cohort of planes, `strange` has images that show no plane.
    """
    checkout = clone(tmp_path_factory.mktemp("third"))
    path = checkout.path / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for section in SECOND:
        params[section]["second"] = json.loads(json.dumps(params[section]["planes"]))
    params["pull"]["second"]["phantom"]["seed"] = 2
    params["evaluate"]["second"] |= {"model": "models/second.keras", "trained_on": "second"}
    params["export_onnx"]["second"]["model"] = "models/second.keras"
    for section in COHORT:
        params[section]["abroad"] = json.loads(json.dumps(params[section]["second"]))
    params["pull"]["abroad"]["phantom"]["seed"] = 3
    params["split"]["abroad"]["fractions"] = ALL_ON_TEST
    params["pull"]["strange"] = {
        "source": "incoming",
        "kind": "out_of_scope",
        "patient_pattern": "(?P<patient>.+)",
        "incoming": params["pull"]["planes"]["incoming"],
    }
    params["validate"]["strange"] = {
        key: value for key, value in params["validate"]["structures"].items() if key != "copies"
    }
    params["split"]["strange"] = params["split"]["second"] | {"fractions": ALL_ON_TEST}
    params["prepare"]["strange"] = params["prepare"]["second"]
    params["evaluate_scope"]["strange"] = params["evaluate"]["second"] | {"generated": 2}
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    for name in ("second", "abroad"):
        shutil.copytree(checkout.path / "data/phantom/planes", checkout.path / f"data/phantom/{name}")
    random = np.random.default_rng(1)
    for at in range(4):
        image = checkout.path / f"data/incoming/strange/{('hip', 'cervix')[at % 2]}/s{at}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        write_png(random.integers(0, 256, (48, 48), dtype=np.uint8) // 16 * 8, image)
    checkout.commit("A second data set of planes")
    return checkout


def test_a_second_data_set_of_planes_runs_from_pull_to_evaluate(extended: Checkout) -> None:
    printed = extended.run("dvc", "repro", "evaluate@second", "export_onnx@second")
    assert sorted(stages_run(printed)) == sorted(f"{stage}@second" for stage in SECOND)
    for path in ("models/second.keras", "plots/train_cnn/second", "data/second/evaluate/predictions.csv"):
        assert (extended.path / path).exists()
    detail = json.loads((extended.path / "metrics/second_detail.json").read_text())
    assert set(detail["per_plane"]) == {"abdomen", "brain", "femur", "thorax"}
    extended.commit("Reproduced")
    assert extended.run("git", "status", "--short") == ""


def test_a_cohort_is_measured_once_its_patients_have_names_of_their_own(extended: Checkout) -> None:
    printed = extended.run("dvc", "repro", "evaluate@abroad", fails=True)
    assert sorted(stages_run(printed)) == sorted(f"{stage}@abroad" for stage in COHORT)
    (error,) = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert "images are in second too, which the model learned from" in error
    assert "make pull.abroad.patient_pattern" in error
    path = extended.path / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["pull"]["abroad"]["patient_pattern"] = "^(?P<patient>Patient[0-9]+)_"
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    assert "evaluate: abroad: worst group: " in extended.run("dvc", "repro", "evaluate@abroad")
    detail = json.loads((extended.path / "metrics/abroad_detail.json").read_text())
    assert detail["n_images"] == json.loads((extended.path / "reports/abroad/data.json").read_text())["accepted"]
    ledger = (extended.path / "reports/abroad/test_patients.csv").read_text()
    assert ledger.count(",held") >= detail["n_patients"]
    with (extended.path / "data/abroad/split/split.csv").open() as table:
        patient = next(csv.DictReader(table))["patient"]
    known = [
        line for line in extended.run("sonotrace", "lineage", "--patient", patient).splitlines() if "models/" in line
    ]
    assert len(known) == 1
    assert known[0].endswith(": tested on them")


def test_images_that_are_no_plane_are_told_from_those_that_are(extended: Checkout) -> None:
    extended.run("dvc", "repro", "evaluate_scope@strange")
    detail = json.loads((extended.path / "metrics/strange_detail.json").read_text())
    labels = {label: scores["n"] for label, scores in detail["per_label"].items()}
    assert labels == {"cervix": 2, "gradient": 2, "hip": 2, "speckle": 2, "uniform noise": 2}
    assert detail["n_images_in_scope"] == json.loads((extended.path / "metrics/second.json").read_text())["n_images"]


def test_nothing_but_its_own_stages_reads_a_cohort(extended: Checkout) -> None:
    stages = yaml.safe_load((extended.path / "dvc.lock").read_text())["stages"]
    for cohort in ("abroad", "strange"):
        readers = {name for name, stage in stages.items() if any(f"/{cohort}/" in dep["path"] for dep in stage["deps"])}
        assert {name.partition("@")[2] for name in readers} == {cohort}
    assert not any(stage["cmd"].endswith(("abroad", "strange")) for name, stage in stages.items() if "train" in name)


def test_commands_speak_of_it_too(extended: Checkout) -> None:
    assert "second" in extended.run("sonotrace", "sources")
    lines = extended.run("sonotrace", "lineage", "models/second.keras", "--patients").splitlines()
    assert any(line.startswith("second, test:") for line in lines)
    image = next((extended.path / "data/second/pull/images/images").iterdir())
    own = ("--planes-model", "models/second.onnx")
    printed = extended.run("sonotrace", "predict", str(image), *own, "--json")
    (line,) = [line for line in printed.splitlines() if line.startswith("{")]
    assert json.loads(line)["plane"] in {"abdomen", "brain", "femur", "thorax"}
