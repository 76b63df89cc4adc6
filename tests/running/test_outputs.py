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
    (tmp_path / "target").write_bytes(b"older and longer" * 10)
    copy_into(tmp_path / "target", tmp_path / "source")
    assert (tmp_path / "target").read_bytes() == content
    assert calls


def test_a_full_disk_is_said_in_one_line(tmp_path):
    (tmp_path / "source").write_bytes(b"content")
    full = Path("/dev/full")  # every write to it fails as on a full disk
    for attempt in (lambda: copy_into(full, tmp_path / "source"), lambda: write_into(full, b"content")):
        with pytest.raises(SonotraceError, match=r"^/dev/full: cannot be written \(No space left on device\); check"):
            attempt()
