"""gather_scope leaves one file per data set, of what evaluate_scope measured."""

import contextlib
import json

import reported

from sonotrace.stages import gather_scope


def test_it_gathers_images_out_of_scope_that_were_given_a_class(tmp_path, capsys):
    reported.make(tmp_path / "c", data_sets=("planes", "strange"), images=6)
    with contextlib.chdir(tmp_path / "c"):
        gather_scope.run("strange")
    found = json.loads((tmp_path / "c/data/for-report/strange.json").read_text())
    assert (found["kind"], found["trained_on"]) == ("out_of_scope", "planes")
    said = f"gather_scope: strange: {len(found['cases'])} images that the classifier gave a class, to show\n"
    assert capsys.readouterr().out == said
    assert 6 - found["refused"] == len(found["cases"]) > 0
