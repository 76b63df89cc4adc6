"""A remote counts wherever DVC would find it."""

import pytest

from sonotrace.records.remotes import has_remote

REMOTE = "[core]\n    remote = store\n['remote \"store\"']\n    url = /srv/store\n"


@pytest.fixture
def top(tmp_path, monkeypatch):
    """Return a repository's top folder with an empty configuration; the user and the system have none either."""
    for level in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"DVC_{level}_CONFIG_DIR", str(tmp_path / level))
    (tmp_path / "top/.dvc").mkdir(parents=True)
    (tmp_path / "top/.dvc/config").write_text("[core]\n    analytics = false\n")
    return tmp_path / "top"


def test_a_repository_without_a_remote_has_none(top):
    assert not has_remote(top)


@pytest.mark.parametrize("path", [".dvc/config", ".dvc/config.local", "../GLOBAL/config"])
def test_a_remote_of_the_repository_the_clone_or_the_user_counts(top, path):
    (top / path).parent.mkdir(exist_ok=True)
    (top / path).write_text(REMOTE)
    assert has_remote(top)


def test_a_folder_without_dvc_has_no_remote(top):
    assert not has_remote(top.parent)


def test_nothing_can_be_fetched_with_a_configuration_that_dvc_cannot_read(top):
    (top / ".dvc/config").write_text("[core\n")
    assert not has_remote(top)
