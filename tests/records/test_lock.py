"""A folder that a stage read is given as the outputs that it consists of, as far as the lock can tell."""

import pytest

from sonotrace.errors import SonotraceError
from sonotrace.records.history import folder_md5
from sonotrace.records.lock import read, steps

FLAT = {"a.json": "1" * 32, "b.json": "2" * 32}


def _lock(outs, folder_hash):
    made = [{"path": f"metrics/{name}", "md5": md5} for name, md5 in outs.items()]
    read = [{"path": "metrics", "md5": folder_hash}]
    return {"stages": {"evaluate": {"cmd": "true", "outs": made}, "report": {"cmd": "true", "deps": read}}}


def _inputs(outs, folder_hash):
    return [(link.path, link.made_by) for link in steps(_lock(outs, folder_hash))["report"].inputs]


def test_a_folder_of_outputs_is_those_outputs():
    assert _inputs(FLAT, folder_md5(FLAT)) == [("metrics/a.json", "evaluate"), ("metrics/b.json", "evaluate")]


@pytest.mark.parametrize("held", [FLAT | {"c.json": "3" * 32}, FLAT | {"b.json": "3" * 32}])
def test_a_folder_that_held_something_else_is_a_source_of_its_own(held):
    assert _inputs(FLAT, folder_md5(held)) == [("metrics", "")]


def test_of_outputs_that_are_folders_the_lock_cannot_tell_what_they_hold_so_they_are_believed():
    outs = FLAT | {"planes": "4" * 32 + ".dir"}
    assert {maker for _, maker in _inputs(outs, "5" * 32 + ".dir")} == {"evaluate"}


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "stages:\n  a:\n" + "    - " * 50_000 + "\n", "stages: {a: {cmd: 2001-99-99}}", "stages: {a: []}"],
    ids=["too deep", "too deep in a stage", "an impossible date", "a list for a stage"],
)
def test_a_lock_that_cannot_be_read_is_an_error_and_no_crash(text):
    with pytest.raises(SonotraceError, match=r"dvc\.lock: cannot be read; restore it with git"):
        read(text)
