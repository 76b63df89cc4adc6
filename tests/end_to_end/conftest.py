"""Finished runs of both engines, to start from: each engine runs the whole pipeline from nothing once."""

import fcntl
import os
from pathlib import Path

import pytest
from checkouts import Checkout, clone


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the end-to-end tests first, since they take longest, and among them both engines' runs from nothing.

    Files that start from the finished run come after those that do not, so that none waits for it.
    """
    here = {item.path for item in items if item.path.is_relative_to(Path(__file__).parent)}
    needs = {name: {item.path for item in items if name in item.fixturenames} for name in ("by_snakemake", "finished")}
    items.sort(
        key=lambda item: (
            item.path not in needs["by_snakemake"],
            item.path not in here,
            item.path in needs["finished"],
        )
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a clone on which `dvc repro` has run from nothing, made by the process that needs it first.

    All test processes share it, so tests leave it alone and work on copies.
    """
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        top = top.parent
    with (top / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = top / "finished.ready"
        if not ready.exists():
            checkout = clone(top / "finished")
            checkout.run("dvc", "repro")
            checkout.commit("Reproduced")
            ready.touch()
    return Checkout(top / "finished/clone", top / "finished/home")


@pytest.fixture(scope="module")
def by_dvc(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a copy of the finished run for the tests of one file, committed and clean."""
    return finished.copy(tmp_path_factory.mktemp("dvc"))


@pytest.fixture(scope="session")
def by_snakemake(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a clone on which `snakemake --cores 2` has run from nothing."""
    checkout = clone(tmp_path_factory.mktemp("snakemake"))
    checkout.run("snakemake", "--cores", "2")
    checkout.commit("Reproduced")
    return checkout
