"""A recorded run with folds, of which papers are written."""

import pytest
import reported


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """Return its checkout; tests leave it alone, or work on a copy."""
    top = tmp_path_factory.mktemp("export") / "checkout"
    reported.make(top, folds=True, images=12)
    reported.report(top)
    reported.record(top)
    return top
