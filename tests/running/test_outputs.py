"""Outputs are whole or not there."""

import errno
import json
import os
from pathlib import Path

import pandas as pd
import pytest

from sonotrace.errors import SonotraceError
from sonotrace.running.outputs import building, copy_into, remove, write_bytes, write_csv, write_into, write_json


def _names(folder):
    return [path.name for path in folder.iterdir()]


def _fill(folder, content):
    folder.mkdir()
    (folder / "file").write_text(content)


def test_a_finished_folder_takes_the_place_of_the_old_one(tmp_path):
    out = tmp_path / "deep" / "images"
    for content in ("old", "new"):
        with building(out) as part:
            _fill(part, content)
    assert (out / "file").read_text() == "new"
    assert _names(out.parent) == ["images"]


def test_the_old_output_stands_until_the_new_one_is_whole(tmp_path):
    out = tmp_path / "images"
    _fill(out, "old")
    with building(out) as part:
        _fill(part, "new")
        assert (out / "file").read_text() == "old"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_output_and_no_part(tmp_path, error):
    out = tmp_path / "images"
    _fill(out, "old")

    def fail():
        with building(out) as part:
            _fill(part, "half")
            raise error

    with pytest.raises(error):
        fail()
    assert (out / "file").read_text() == "old"
    assert _names(tmp_path) == ["images"]


def test_a_first_failure_leaves_nothing(tmp_path):
    def fail():
        with building(tmp_path / "images") as part:
            _fill(part, "half")
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        fail()
    assert _names(tmp_path) == []


def test_what_a_killed_run_left_is_cleared_away(tmp_path):
    _fill(tmp_path / "images.part", "killed")
    with building(tmp_path / "images") as part:
        assert not part.exists()
        part.write_text("a file this time")
    assert _names(tmp_path) == ["images"]


def test_removing_a_link_leaves_what_it_points_to(tmp_path):
    _fill(tmp_path / "there", "kept")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    remove(tmp_path / "link")
    remove(tmp_path / "never was")
    assert _names(tmp_path) == ["there"]
    assert (tmp_path / "there" / "file").read_text() == "kept"
    remove(tmp_path / "there")
    assert _names(tmp_path) == []


def test_bytes_are_written_aside_and_renamed(tmp_path, monkeypatch):
    path = tmp_path / "new folder" / "model"
    write_bytes(b"old", path)
    rename = type(path).replace

    seen = []

    def watch(part, to):
        seen.append((part.name, part.read_bytes(), to.read_bytes()))
        return rename(part, to)

    monkeypatch.setattr(type(path), "replace", watch)
    write_bytes(b"new", path)
    assert seen == [("model.part", b"new", b"old")]
    assert path.read_bytes() == b"new"
    assert _names(path.parent) == ["model"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    write_bytes(b"old", path)

    def full(part, _content):
        raise OSError(28, "No space left on device", str(part))

    monkeypatch.setattr(type(path), "write_bytes", full)
    with pytest.raises(
        SonotraceError, match=r"table\.csv: cannot be written \(No space left on device\); check the space"
    ):
        write_bytes(b"new", path)
    assert path.read_bytes() == b"old"


def test_json_keeps_the_order_of_keys_and_its_letters(tmp_path):
    write_json({"b": 1, "a": {"µm": None}}, tmp_path / "x.json")
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert text == '{\n  "b": 1,\n  "a": {\n    "µm": null\n  }\n}\n'
    assert list(json.loads(text)) == ["b", "a"]


def test_tables_have_unix_line_ends_and_no_index(tmp_path):
    write_csv(pd.DataFrame({"image": ["b", "a"], "n": [1, 2]}, index=[5, 3]), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_bytes() == b"image,n\nb,1\na,2\n"


@pytest.mark.parametrize("size", [0, 1, 5000, 3_000_000])
@pytest.mark.parametrize("kernel", ["copies", "copies a part", "copies nothing", "stops half way", "cannot"])
def test_a_copy_has_the_same_bytes_whatever_the_kernel_copies(tmp_path, monkeypatch, kernel, size):
    real = os.copy_file_range
    calls = []

    def copy_file_range(source, target, count):
        calls.append(count)
        if kernel == "cannot" or (kernel == "stops half way" and len(calls) > 1):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return 0 if kernel == "copies nothing" else real(source, target, 1000 if kernel != "copies" else count)

    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    content = os.urandom(size)
    (tmp_path / "source").write_bytes(content)
    copy_into(tmp_path / "target", tmp_path / "source")
    assert (tmp_path / "target").read_bytes() == content
    assert calls


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "check the space left on the disk"),
        (errno.EDQUOT, "check your quota (`quota -s` shows it), and make room within it"),
        (errno.EROFS, "it is mounted read-only; mount it for writing, or work in a copy elsewhere"),
        (errno.EACCES, "check the path and its permissions"),
    ],
)
def test_what_a_disk_does_not_take_is_said_in_one_line(tmp_path, monkeypatch, number, remedy):
    (tmp_path / "source").write_bytes(b"content")
    target = tmp_path / "target"
    real = Path.open

    def refusing(path, mode="r", **kinds):
        if path == target:
            raise OSError(number, os.strerror(number), str(path))
        return real(path, mode, **kinds)

    monkeypatch.setattr(Path, "open", refusing)
    for attempt in (lambda: copy_into(target, tmp_path / "source"), lambda: write_into(target, b"content")):
        with pytest.raises(SonotraceError) as raised:
            attempt()
        assert str(raised.value) == f"{target}: cannot be written ({os.strerror(number)}); {remedy}"


def test_no_file_of_a_folder_is_written_over_another(tmp_path):
    """A disk that ignores case, or Unicode form, opens the one by the name of the other."""
    (tmp_path / "source").write_bytes(b"other")
    write_into(tmp_path / "a.png", b"content")
    for attempt in (
        lambda: copy_into(tmp_path / "a.png", tmp_path / "source"),
        lambda: write_into(tmp_path / "a.png", b"other"),
    ):
        with pytest.raises(SonotraceError, match=r"a\.png: cannot be written .*lower case or in Unicode form"):
            attempt()
    assert (tmp_path / "a.png").read_bytes() == b"content"
