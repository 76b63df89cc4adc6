"""Nothing in a snapshot is passed over without a word."""

import os

import pytest

from sonotrace.errors import SonotraceError
from sonotrace.intake import tree
from sonotrace.labels.listing import Listed, Listing


def _touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_link_to_a_folder_is_an_error(tmp_path):
    _touch(tmp_path, "nas/a.png", "snapshot/b.png")
    tree.check(tmp_path / "snapshot")
    (tmp_path / "snapshot/brain").symlink_to(tmp_path / "nas")
    with pytest.raises(SonotraceError, match=r"snapshot/brain: a link to a folder, which neither `dvc add` nor pull"):
        tree.check(tmp_path / "snapshot")


def test_a_link_to_a_file_is_fine_and_one_to_nothing_an_error(tmp_path):
    _touch(tmp_path, "nas.png", "snapshot/b.png")
    (tmp_path / "snapshot/a.png").symlink_to(tmp_path / "nas.png")
    tree.check(tmp_path / "snapshot")
    (tmp_path / "nas.png").unlink()
    with pytest.raises(SonotraceError, match=r"snapshot/a\.png: a link to a file that is not there"):
        tree.check(tmp_path / "snapshot")


def test_a_name_that_is_not_utf8_is_shown_in_letters_that_are(tmp_path):
    _touch(tmp_path, os.fsdecode(b"a_M\xfcller.png"))
    with pytest.raises(SonotraceError, match=r"a_M\\xfcller\.png: the name is not UTF-8; rename it") as raised:
        tree.check(tmp_path)
    str(raised.value).encode()


def test_a_folder_that_may_not_be_read_is_an_error(tmp_path, monkeypatch):
    _touch(tmp_path, "closed/a.png")
    scan = os.scandir

    def refusing(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(SonotraceError, match=r"closed: cannot be read \(Permission denied\)"):
        tree.check(tmp_path)


def test_files_that_are_neither_listed_nor_labels_are_counted_by_kind(tmp_path):
    names = ["a.png", "t.csv", "clip.MP4", "b/clip.mp4", ".DS_Store", "IM_0001", "1.2.840", "README.txt", "x.nii.gz"]
    _touch(tmp_path, *names)
    listing = Listing([Listed("a", tmp_path / "a.png"), Listed("gone", None)], frozenset({tmp_path / "t.csv"}))
    assert tree.ignored(tmp_path, listing) == {".gz": 1, ".mp4": 2, "hidden": 1, "no ending": 2}
