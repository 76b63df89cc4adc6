"""Two checkouts, each made once: with all kinds of data sets, and the same with patients shown."""

import json

import pytest
import reported
import yaml


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """Return a checkout with planes and their folds, structures, a cohort and images out of scope; leave it alone."""
    top = tmp_path_factory.mktemp("reported") / "checkout"
    reported.make(top, folds=True)
    reported.report(top)
    return top


@pytest.fixture(scope="session")
def page(checkout):
    return (checkout / "reports/index.html").read_text(encoding="utf-8")


@pytest.fixture
def gathered(checkout):
    """Return what was gathered of each data set."""
    folder = checkout / "data/for-report"
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


@pytest.fixture
def parameters(checkout):
    return yaml.safe_load((checkout / "params.yaml").read_text())
