"""One turned byte in any kind of file is found, and the file is named."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
from checkouts import Checkout


@pytest.fixture(scope="module")
def checkout(by_dvc: Checkout) -> Checkout:
    """Return a checkout after a run, committed, to tamper with."""
    return by_dvc


def test_a_fresh_run_verifies(checkout: Checkout) -> None:
    assert "verified: every file" in checkout.run("sonotrace", "verify")


KINDS = [
    "data/planes/pull/images/images/*.png",  # pulled image
    "data/structures/prepare/images/*.zip",  # prepared image
    "data/planes/augment/images/*.zip",  # augmented copies
    "data/planes/pull/manifest.csv",  # manifest row
    "data/structures/validate/boxes.csv",  # box
    "data/planes/validate/quarantine.csv",  # quarantine
    "data/planes/split/split.csv",  # split
    "models/planes.keras",  # Keras model
    "models/structures.pt",  # YOLO model
    "data/planes/evaluate/predictions.csv",  # prediction
    "metrics/planes.json",  # metric
    "metrics/structures_detail.json",  # interval
    "plots/planes/roc.csv",  # curve
    "reports/planes/snapshot.json",  # what was pulled
    "data/phantom/planes/scanners.yaml",  # source
    "src/sonotrace/images/boxes.py",  # code
]


@contextmanager
def _turned(checkout: Checkout, patterns: Iterable[str]) -> Iterator[list[str]]:
    """Turn one byte in the middle of a file of each pattern, and turn it back afterwards; give the files' paths."""
    before = {}
    for pattern in patterns:
        path = min(checkout.path.glob(pattern))
        before[path] = content, mode = path.read_bytes(), path.stat().st_mode
        at = len(content) // 2
        path.chmod(0o644)
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        path.chmod(mode)
    yield [str(path.relative_to(checkout.path)) for path in before]
    for path, (content, mode) in before.items():
        path.chmod(0o644)
        path.write_bytes(content)
        path.chmod(mode)


def test_one_turned_byte_in_each_kind_of_file_is_found_and_named(checkout: Checkout) -> None:
    with _turned(checkout, KINDS) as paths:
        printed = checkout.run("sonotrace", "verify", fails=True).splitlines()
    named = {line.split(": ")[0] for line in printed}
    assert set(paths) <= named
    consequences = "stored predictions|cannot be computed again|sha256 is not the manifest's|are not as recorded"
    others = [line for line in printed if line.split(": ")[0] not in paths and not re.search(consequences, line)]
    assert others == []


def test_a_turned_byte_in_the_lock_is_found(checkout: Checkout) -> None:
    with _turned(checkout, ["dvc.lock"]):
        printed = checkout.run("sonotrace", "verify", fails=True)
    assert "dvc.lock: " in printed
    assert "Traceback" not in printed
    assert "verified: every file" in checkout.run("sonotrace", "verify")


def test_a_lock_that_cannot_be_read_is_found_and_left_as_it_is(checkout: Checkout) -> None:
    path = checkout.path / "dvc.lock"
    whole = path.read_bytes()
    damaged = whole.replace(b"  md5: ", b"  md5! ", 1)
    path.write_bytes(damaged)
    assert "dvc.lock: cannot be read; restore it with git" in checkout.run("sonotrace", "verify", fails=True)
    assert path.read_bytes() == damaged
    path.write_bytes(whole)


def test_missing_and_extra_files_and_changed_parameters_are_named(checkout: Checkout) -> None:
    image = min((checkout.path / "data/planes/pull/images").rglob("*.png"))
    kept = image.read_bytes()
    image.unlink()
    (image.parent / "more.png").write_bytes(kept)
    checkout.set_params({"train_cnn.planes.epochs": 9})
    printed = checkout.run("sonotrace", "verify", fails=True)
    assert f"{image.relative_to(checkout.path)}: missing" in printed
    assert "more.png: extra" in printed
    assert "params.yaml: train_cnn.planes.epochs is 9, but train_cnn@planes ran with 1" in printed
    assert "error: 4 things" in printed
