"""On a full disk, a stage says so, the last good outputs are one command away, and it goes on when there is room."""

import re
import subprocess

import pytest
import yaml
from checkouts import Checkout

MOUNT = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
FITS = subprocess.run([*MOUNT, "mount -t tmpfs none /mnt"], capture_output=True, check=False).returncode == 0

pytestmark = pytest.mark.skipif(not FITS, reason="this machine allows nobody to mount a small disk")


@pytest.mark.parametrize(
    ("stage", "disk", "size", "named"),
    [
        ("pull@planes", "data/planes/pull", "40k", r"data/planes/pull/.*\.png: cannot be written"),
        ("split@planes", "data/planes/split", "4k", r"data/planes/split/split.csv: cannot be written"),
        ("augment@structures", "data/structures/augment", "40k", r"data/structures/augment/.*\.zip: cannot be written"),
        ("train_yolo@structures", "models", "100k", ""),
        ("evaluate@planes", "metrics", "4k", r"metrics/planes\w*.json: cannot be written"),
        ("report", "reports", "40k", r"reports/index.html: cannot be written"),
    ],
)
def test_a_full_disk(by_dvc: Checkout, stage: str, disk: str, size: str, named: str) -> None:
    before = (by_dvc.path / "dvc.lock").read_text()
    small = f"mount -t tmpfs -o size={size} none {disk} && exec dvc repro --force --single-item {stage}"
    printed = by_dvc.run(*MOUNT, small, fails=True, online=True)
    (error,) = re.findall(r"^error: (.*)$", printed, re.MULTILINE)
    assert re.search(named, error)
    assert "No space left on device" in error
    assert "unexpected" not in error
    (command,) = re.findall(r"^note: to restore the outputs of the last good run of \S+: (.*)$", printed, re.MULTILINE)
    by_dvc.run("sh", "-c", command)
    assert by_dvc.run("dvc", "status").strip() == "Data and pipelines are up to date."
    assert by_dvc.run("git", "status", "--short") == ""
    by_dvc.run("dvc", "repro", "--force", "--single-item", stage)
    after = yaml.safe_load((by_dvc.path / "dvc.lock").read_text())["stages"][stage]["outs"]
    assert after == yaml.safe_load(before)["stages"][stage]["outs"]


def test_the_tools_own_state_lies_elsewhere_while_its_disk_is_full(by_dvc: Checkout) -> None:
    """DVC's databases would end it with a bus error."""
    said = by_dvc.run(*MOUNT, "mount -t tmpfs -o size=64k none .sonotrace && exec dvc status", online=True)
    assert "/.sonotrace: No space left on device; another folder takes its place for this run" in said
    assert "Data and pipelines are up to date." in said


def test_a_run_whose_table_of_locks_does_not_fit_stops_before_it_begins(by_dvc: Checkout) -> None:
    said = by_dvc.run(*MOUNT, "mount -t tmpfs -o size=16k none .dvc/tmp && exec dvc repro", fails=True, online=True)
    assert "error: .dvc/tmp: cannot be written (No space left on device); check the space left" in said
    assert by_dvc.run("dvc", "status").strip() == "Data and pipelines are up to date."
