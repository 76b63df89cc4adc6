"""report writes the page, and says where it is; it needs what gather left."""

import contextlib

import pytest
import reported

from sonotrace.errors import SonotraceError
from sonotrace.stages import report


def test_it_writes_the_page_and_says_where(tmp_path, capsys):
    reported.make(tmp_path / "c", data_sets=("planes",), images=6)
    page = reported.report(tmp_path / "c")
    assert page.startswith("<!DOCTYPE html>")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("report: reports/index.html: 1 data set, 0.")
    assert last.endswith(" MB; open it in a browser")


def test_without_what_gather_leaves_it_says_what_to_do(tmp_path):
    reported.make(tmp_path / "c", data_sets=("planes",), images=6)
    with contextlib.chdir(tmp_path / "c"), pytest.raises(SonotraceError, match=r"planes\.json: not there"):
        report.run()
    assert not (tmp_path / "c/reports/index.html").exists()
