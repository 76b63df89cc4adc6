"""Real runs of both engines, shared by the tests that only look at them or undo what they change."""

import pytest
from checkouts import Checkout, clone


@pytest.fixture(scope="session")
def by_dvc(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a clone on which `dvc repro` has run from nothing."""
    checkout = clone(tmp_path_factory.mktemp("dvc"))
    checkout.run("dvc", "repro")
    checkout.commit("Reproduced")
    return checkout


@pytest.fixture(scope="session")
def by_snakemake(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a clone on which `snakemake --cores 2` has run from nothing."""
    checkout = clone(tmp_path_factory.mktemp("snakemake"))
    checkout.run("snakemake", "--cores", "2")
    checkout.commit("Reproduced")
    return checkout
