"""A repository to commit states to."""

import pytest
from states import Project


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return an empty one; DVC has no configuration but its own."""
    for level in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"DVC_{level}_CONFIG_DIR", str(tmp_path / level))
    return Project(tmp_path / "project")
