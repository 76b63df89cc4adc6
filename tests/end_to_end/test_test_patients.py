"""With real engines: a test patient is trained on under neither, and the ledger outlives what they delete."""

import subprocess
from pathlib import Path

import pytest
from checkouts import Checkout

LEDGER = "reports/planes/test_patients.csv"
SPLIT = "data/planes/split/split.csv"
BY_DVC = ("dvc", "repro", "split@planes")
BY_SNAKEMAKE = ("snakemake", "--cores", "2", "split_planes")
ENGINES = pytest.mark.parametrize("engine", [BY_DVC, BY_SNAKEMAKE], ids=["dvc", "snakemake"])
REFUSED = f"error: {LEDGER}: 2 test patients would be trained or validated on"
NAMED = "(split.planes.salt is 'other', was 'planes-2')"


@pytest.fixture
def checkout(by_dvc: Checkout, tmp_path: Path) -> Checkout:
    """Return a git clone of a finished run, with its data up to the split of planes, to change."""
    made = Checkout(tmp_path / "clone", tmp_path / "home")
    made.home.mkdir()
    subprocess.run(["git", "clone", "--quiet", by_dvc.path, made.path], check=True)
    made.run("dvc", "cache", "dir", "--local", str(by_dvc.path / ".dvc/cache"))
    made.run("dvc", "checkout", "--quiet", "pull@planes", "validate@planes", "split@planes")
    return made


@ENGINES
def test_another_salt_stops_and_the_old_one_brings_everything_back(engine: tuple[str, ...], checkout: Checkout) -> None:
    before = [(checkout.path / name).read_bytes() for name in (LEDGER, SPLIT, "dvc.lock")]
    checkout.set_params({"split.planes.salt": "other"})
    printed = checkout.run(*engine, fails=True)
    assert f"{REFUSED} {NAMED}; change that back, or confirm it by split.planes.test_patients_may_move: true" in printed
    assert (checkout.path / LEDGER).read_bytes() == before[0]
    assert (checkout.path / "dvc.lock").read_bytes() == before[2]
    checkout.set_params({"split.planes.salt": "planes-2"})
    checkout.run(*engine)
    assert [(checkout.path / name).read_bytes() for name in (LEDGER, SPLIT, "dvc.lock")] == before
    assert checkout.run("git", "status", "--short") == ""


@ENGINES
def test_a_deleted_ledger_is_taken_up_from_the_last_commit(engine: tuple[str, ...], checkout: Checkout) -> None:
    (checkout.path / LEDGER).unlink()
    checkout.set_params({"split.planes.salt": "other"})
    assert REFUSED in checkout.run(*engine, fails=True)
    checkout.set_params({"split.planes.salt": "planes-2"})
    checkout.run(*engine)
    assert checkout.run("git", "status", "--short") == ""
    assert "up to date" in checkout.run("dvc", "status", "split@planes")
    assert "Nothing to be done" in checkout.run("snakemake", "--dry-run", "split_planes")


@ENGINES
def test_more_patients_are_counted_and_their_rows_stay_when_they_go(
    engine: tuple[str, ...], checkout: Checkout
) -> None:
    rows = set((checkout.path / LEDGER).read_text().splitlines())
    checkout.set_params({"pull.planes.phantom.images": 80})
    printed = checkout.run(*engine)
    for side, patients, images in (("train", 10, 26), ("val", 1, 3), ("test", 2, 3)):
        new = f"{patients} patients and {images} images are new, 0 patients and 0 images are gone"
        assert f"split: {side} since the last commit: {new}" in printed
    more = set((checkout.path / LEDGER).read_text().splitlines())
    assert len(more - rows) == 2
    assert rows < more
    checkout.set_params({"pull.planes.phantom.images": 48})
    assert "split: nobody is new or gone since the last commit" in checkout.run(*engine)
    assert set((checkout.path / LEDGER).read_text().splitlines()) == more, "no commit holds the two"


def test_an_experiment_elsewhere_is_held_to_the_ledger_too(checkout: Checkout) -> None:
    experiment = ("dvc", "exp", "run", "--temp", "-S", "split.planes.salt=other", "split@planes")
    assert f"{REFUSED} {NAMED}" in checkout.run(*experiment, fails=True)
    printed = checkout.run(*experiment, "--name", "confirmed", "-S", "split.planes.test_patients_may_move=true")
    assert f"split: 2 patients of {LEDGER} leave the test side, as split.planes confirms" in printed
    reference = checkout.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/confirmed").strip()
    rows = checkout.run("git", "show", f"{reference}:{LEDGER}").splitlines()
    now = (checkout.path / LEDGER).read_text().splitlines()
    assert {row.rpartition(",")[0] for row in now} <= {row.rpartition(",")[0] for row in rows}
    assert sum(row.endswith(",released") for row in rows) == 2
    assert checkout.run("git", "status", "--short") == ""
