"""gather leaves one file per data set, for what evaluate measured."""

import contextlib
import json

import reported

from sonotrace.stages import gather


def test_it_gathers_what_the_report_shows_of_a_data_set(tmp_path, capsys):
    reported.make(tmp_path / "c", data_sets=("structures",), images=6)
    with contextlib.chdir(tmp_path / "c"):
        gather.run("structures")
    found = json.loads((tmp_path / "c/data/for-report/structures.json").read_text())
    assert (found["data_set"], found["kind"], found["trained_on"]) == ("structures", "structures", "structures")
    assert capsys.readouterr().out == "gather: structures: 6 test images with errors to show, 3 from quarantine\n"
