"""A repository to commit states to."""

import pytest
from states import Project


@pytest.fixture
def project(tmp_path):
    """Return an empty one."""
    return Project(tmp_path / "project")
