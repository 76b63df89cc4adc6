"""One turned byte in any kind of file is found, and the file is named."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Checkout


@pytest.fixture(scope="module")
def checkout(by_dvc: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a copy of a checkout after a run, committed, to tamper with."""
    top = tmp_path_factory.mktemp("verify")
    shutil.copytree(by_dvc.path, top / "clone", symlinks=True)
    made = Checkout(top / "clone", by_dvc.home)
    made.run("git", "checkout", "--quiet", "--", ".")
    made.run("dvc", "checkout", "--quiet", "--force")
    return made


def test_a_fresh_run_verifies(checkout: Checkout) -> None:
    assert "verified: every file" in checkout.run("sonotrace", "verify")


KINDS = {
    "data/planes/pull/images/images/*.png": "pulled image",
    "data/structures/prepare/images/*.png": "prepared image",
    "data/planes/augment/images/*.png": "augmented copy",
    "data/planes/pull/manifest.csv": "manifest row",
    "data/structures/validate/boxes.csv": "box",
    "data/planes/validate/quarantine.csv": "quarantine",
    "data/planes/split/split.csv": "split",
    "models/planes.keras": "Keras model",
    "models/structures.pt": "YOLO model",
    "data/planes/evaluate/predictions.csv": "prediction",
    "metrics/planes.json": "metric",
    "metrics/structures_detail.json": "interval",
    "plots/planes/roc.csv": "curve",
    "reports/planes/snapshot.json": "what was pulled",
    "data/phantom/planes/scanners.yaml": "source",
    "src/sonotrace/boxes.py": "code",
    "dvc.lock": "lock",
}


@pytest.fixture
def turned(checkout: Checkout, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Turn one byte in the middle of a file, keeping its size and times, and turn it back afterwards."""
    path = min(checkout.path.glob(request.param))
    content = path.read_bytes()
    at = len(content) // 2
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    yield path.relative_to(checkout.path)
    path.write_bytes(content)
    path.chmod(mode)


@pytest.mark.parametrize("turned", KINDS, ids=KINDS.values(), indirect=True)
def test_one_turned_byte_is_found_and_named(checkout: Checkout, turned: Path) -> None:
    printed = checkout.run("sonotrace", "verify", fails=True)
    assert str(turned) in printed
    assert "Traceback" not in printed


def test_missing_and_extra_files_and_changed_parameters_are_named(checkout: Checkout) -> None:
    image = min((checkout.path / "data/planes/pull/images").rglob("*.png"))
    kept = image.read_bytes()
    image.unlink()
    (image.parent / "more.png").write_bytes(kept)
    checkout.set_params({"train_cnn.epochs": 9})
    printed = checkout.run("sonotrace", "verify", fails=True)
    assert f"{image.relative_to(checkout.path)}: missing" in printed
    assert "more.png: extra" in printed
    assert "params.yaml: train_cnn.epochs is 9, but train_cnn ran with 1" in printed
    assert "error: 3 things" in printed
