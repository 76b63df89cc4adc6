"""Another data set takes lines in params.yaml, a folder for its source, and no code."""

import json
import shutil

import pytest
import yaml
from checkouts import Checkout, clone, stages_run

SECOND = ["pull", "validate", "split", "prepare", "augment", "train_cnn", "evaluate"]


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a clone with a second data set of planes, `second`, by params.yaml alone."""
    checkout = clone(tmp_path_factory.mktemp("third"))
    path = checkout.path / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for section in SECOND:
        params[section]["second"] = json.loads(json.dumps(params[section]["planes"]))
    params["pull"]["second"]["phantom"]["seed"] = 2
    params["evaluate"]["second"]["model"] = "models/second.keras"
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    shutil.copytree(checkout.path / "data/phantom/planes", checkout.path / "data/phantom/second")
    checkout.commit("A second data set of planes")
    return checkout


def test_a_second_data_set_of_planes_runs_from_pull_to_evaluate(extended: Checkout) -> None:
    printed = extended.run("dvc", "repro", "evaluate@second")
    assert stages_run(printed) == [f"{stage}@second" for stage in SECOND]
    for path in ("models/second.keras", "plots/train_cnn/second", "data/second/evaluate/predictions.csv"):
        assert (extended.path / path).exists()
    detail = json.loads((extended.path / "metrics/second_detail.json").read_text())
    assert set(detail["per_plane"]) == {"abdomen", "brain", "femur", "thorax"}
    extended.commit("Reproduced")
    assert extended.run("git", "status", "--short") == ""


def test_commands_speak_of_it_too(extended: Checkout) -> None:
    assert "second" in extended.run("sonotrace", "sources")
    lines = extended.run("sonotrace", "lineage", "models/second.keras", "--patients").splitlines()
    assert any(line.startswith("second, test:") for line in lines)
    image = next((extended.path / "data/second/pull/images/images").iterdir())
    own = ("--planes-model", "models/second.keras")
    printed = extended.run("sonotrace", "predict", str(image), *own, "--json")
    (line,) = [line for line in printed.splitlines() if line.startswith("{")]
    assert json.loads(line)["plane"] in {"abdomen", "brain", "femur", "thorax"}
