"""Who is new is told against the last commit, and a remedy is offered only where it works."""

from pathlib import Path

import pandas as pd
import pytest

from sonotrace.patients.news import changes, news

BEFORE = [{"image": "a", "patient": "1", "side": "train"}, {"image": "b", "patient": "2", "side": "test"}]
NOW = pd.DataFrame([*BEFORE, {"image": "c", "patient": "3", "side": "train"}])
SPLIT = "data/planes/split/split.csv"


class _Last:
    """A last commit that ran with a source and left a split, or lacks either."""

    def __init__(self, source, table):
        self._source, self._table = source, table

    def parameters(self, stage):
        return {"pull.planes.source": self._source} if self._source and stage == "pull@planes" else {}

    def table(self, stage, path):
        assert (stage, path.as_posix()) == ("split@planes", SPLIT)
        return self._table


def _said(source, table, now=NOW):
    return list(news("planes", "phantom", now, _Last(source, table)))


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    """Stand in a repository of DVC's without a remote."""
    for level in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"DVC_{level}_CONFIG_DIR", str(tmp_path / level))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("")
    monkeypatch.chdir(tmp_path)


def test_before_a_first_run_there_is_no_news():
    assert _said(None, None) == []


def test_patients_of_another_source_are_all_new():
    assert _said("zenodo", None) == ["the last commit split patients of zenodo, so every patient of phantom is new"]


def test_who_is_new_is_told_by_side():
    expected = "train since the last commit: 1 patients and 1 images are new, 0 patients and 0 images are gone"
    assert _said("phantom", BEFORE) == [expected]
    assert _said("phantom", BEFORE, pd.DataFrame(BEFORE)) == ["nobody is new or gone since the last commit"]


def test_fetching_is_advised_only_where_there_is_a_remote():
    assert _said("phantom", None) == []
    Path(".dvc/config").write_text("['remote \"store\"']\n    url = /srv/store\n")
    (said,) = _said("phantom", None)
    assert f"`dvc fetch --all-commits {SPLIT}` brings it" in said


def test_who_is_new_and_who_is_gone_is_counted_by_side():
    before = pd.DataFrame({"image": list("abcd"), "patient": list("1123"), "side": ["train", "train", "val", "test"]})
    now = pd.DataFrame(
        {"image": list("abefc"), "patient": list("11142"), "side": ["train", "train", "train", "test", "test"]}
    )
    assert changes(before, now) == {"train": (0, 1, 0, 0), "val": (0, 0, 1, 1), "test": (2, 2, 1, 1)}
    assert changes(now, now) == {}
