"""A new snapshot costs what changed under both engines, and leaves what a run from nothing leaves."""

import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from checkouts import Checkout, clone

from sonotrace.images.packs import stored_in

PLANES = ("Fetal abdomen", "Fetal brain", "Fetal femur", "Fetal thorax")
UP_TO = "augment@planes"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a clone with 24 images of the user's own."""
    made = clone(tmp_path)
    made.set_params({"pull.planes.source": "incoming"})
    _lay_in(made, range(24))
    made.commit("First snapshot")
    return made


def _lay_in(checkout: Checkout, numbers: range) -> None:
    place = checkout.path / "data/incoming/planes"
    place.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        image = np.random.default_rng(number).integers(0, 256, (40, 50), np.uint8)
        cv2.imwrite(str(place / f"Patient{number:03}_0.png"), image)
    rows = "".join(f"Patient{number:03}_0,{PLANES[number % 4]}\n" for number in numbers)
    (place / "image_label.csv").unlink(missing_ok=True)
    (place / "image_label.csv").write_text(f"Image_name,Plane\n{rows}")
    checkout.run("dvc", "add", "data/incoming/planes")


def _lock(checkout: Checkout) -> Any:
    return yaml.safe_load((checkout.path / "dvc.lock").read_text())


def _made(printed: str) -> dict[str, tuple[int, int]]:
    """Return stage -> images made and taken over, as the stages say."""
    found = re.findall(r"^(\w+): (\d+) (?:made|decoded), (\d+) (?:reused|known)", printed, re.MULTILINE)
    return {stage: (int(made), int(taken)) for stage, made, taken in found}


def test_both_engines_and_experiments_redo_only_what_changed(checkout: Checkout, tmp_path: Path) -> None:
    first = _made(checkout.run("dvc", "repro", UP_TO))
    assert first["validate"] == first["prepare"] == (24, 0)
    copies = first["augment"][0]
    checkout.commit("First run")

    _lay_in(checkout, range(26))
    second = _made(checkout.run("dvc", "repro", UP_TO))
    assert second["validate"] == second["prepare"] == (2, 24)
    assert second["augment"][1] == copies
    checkout.commit("Two more")
    lock = _lock(checkout)

    checkout.run("git", "checkout", "--quiet", "HEAD~1")
    checkout.run("dvc", "checkout", "--with-deps", UP_TO)
    assert "up to date" in checkout.run("dvc", "status", UP_TO)
    assert "Patient025_0" not in stored_in(checkout.path / "data/planes/prepare/images")
    checkout.run("git", "checkout", "--quiet", "-")
    checkout.run("dvc", "checkout", "--with-deps", UP_TO)

    changed = "prepare.planes.width=48"
    queued = checkout.run("dvc", "exp", "run", "--temp", "--set-param", changed, UP_TO)
    assert _made(queued) == {"prepare": (26, 0), "augment": (sum(second["augment"]), 0)}
    # The same images, had from an experiment's temporary folder by Snakemake here.
    checkout.set_params({"prepare.planes.width": 48})
    shutil.rmtree(checkout.path / ".dvc/cache/runs")
    printed = checkout.run("snakemake", "--cores", "2", "prepare_planes", "augment_planes")
    assert _made(printed) == {"prepare": (0, 26), "augment": (0, sum(second["augment"]))}

    checkout.set_params({"prepare.planes.width": 64})
    printed = checkout.run("snakemake", "--cores", "2", "prepare_planes", "augment_planes")
    assert _made(printed) == {"prepare": (0, 26), "augment": (0, sum(second["augment"]))}
    assert _lock(checkout) == lock

    fresh = clone(tmp_path / "fresh")
    fresh.set_params({"pull.planes.source": "incoming"})
    _lay_in(fresh, range(26))
    assert _made(fresh.run("dvc", "repro", UP_TO))["prepare"] == (26, 0)
    assert _lock(fresh) == lock


def test_a_damaged_object_in_the_cache_is_made_again(checkout: Checkout) -> None:
    checkout.run("dvc", "repro", UP_TO)
    lock = _lock(checkout)
    target = stored_in(checkout.path / "data/planes/prepare/images")["Patient003_0"].file
    content = target.read_bytes()
    objects = [path for path in (checkout.path / ".dvc/cache/files").rglob("*") if path.is_file()]
    damaged = next(path for path in objects if path.read_bytes() == content)
    damaged.chmod(0o644)
    damaged.write_bytes(content[:-1])
    shutil.rmtree(checkout.path / ".dvc/cache/runs")
    printed = checkout.run("dvc", "repro", "--force", "--single-item", "prepare@planes")
    assert _made(printed) == {"prepare": (1, 23)}
    assert target.read_bytes() == damaged.read_bytes() == content
    assert _lock(checkout) == lock
