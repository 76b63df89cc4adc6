"""A clock that was set back leaves files from the future; both engines go on as if nothing had been."""

import os
import time
from pathlib import Path

import pytest
import yaml
from checkouts import Checkout, stages_run

BY_DVC = ("dvc", "repro", "prepare@structures")
BY_SNAKEMAKE = ("snakemake", "--cores", "2", "prepare_structures")
TWO_DAYS_S = 2 * 24 * 3600


def _date_forward(checkout: Checkout) -> None:
    """Date all files and folders of a checkout as if made in two days."""
    then = time.time() + TWO_DAYS_S
    for folder, below, files in os.walk(checkout.path):
        below[:] = [name for name in below if name != ".git"]
        for name in (*below, *files):
            os.utime(Path(folder, name), (then, then), follow_symlinks=False)


def _prepared(checkout: Checkout) -> list[dict[str, object]]:
    outs: list[dict[str, object]] = yaml.safe_load((checkout.path / "dvc.lock").read_text())["stages"][
        "prepare@structures"
    ]["outs"]
    return outs


@pytest.fixture
def checkout(by_dvc: Checkout, tmp_path: Path) -> Checkout:
    return by_dvc.copy(tmp_path)


@pytest.mark.parametrize("engine", [BY_DVC, BY_SNAKEMAKE], ids=["dvc", "snakemake"])
def test_files_from_the_future_cost_nothing_and_a_change_runs_what_it_concerns(
    checkout: Checkout, engine: tuple[str, ...]
) -> None:
    before = _prepared(checkout)
    _date_forward(checkout)
    assert stages_run(checkout.run(*engine)) == []
    checkout.set_params({"prepare.structures.width": 64})
    _date_forward(checkout)
    assert stages_run(checkout.run(*engine)) == ["prepare@structures"]
    assert stages_run(checkout.run(*engine)) == []
    assert "up to date" in checkout.run("dvc", "status", "prepare@structures")
    checkout.set_params({"prepare.structures.width": 96})
    checkout.run(*engine)
    assert _prepared(checkout) == before
