"""A cohort is added to params.yaml with the values that the model needs, and nothing else changes."""

from pathlib import Path

import pytest
import yaml

from sonotrace.errors import SonotraceError
from sonotrace.own_images.cohort import SECTIONS, added
from sonotrace.params import load

SHIPPED = (Path(__file__).parents[2] / "params.yaml").read_text()


@pytest.mark.parametrize("trained_on", ["planes", "structures"])
def test_the_new_text_is_good_and_has_every_line_of_the_old_one(tmp_path, trained_on):
    text = added(SHIPPED, "abroad", trained_on)
    (tmp_path / "params.yaml").write_text(text)
    taken_over = load(tmp_path / "params.yaml")
    assert "abroad" not in taken_over.learned
    assert taken_over.evaluate["abroad"] == taken_over.evaluate[trained_on]
    assert taken_over.prepare["abroad"] == taken_over.prepare[trained_on]
    assert taken_over.split["abroad"].fractions.test == 1
    assert taken_over.pull["abroad"].source == "incoming"
    left = iter(text.splitlines())
    assert all(line in left for line in SHIPPED.splitlines())  # in the same order


def test_a_part_comes_below_a_comment_that_goes_on():
    text = added(
        SHIPPED.replace(
            "    test_patients_may_move: false\n\n", "    test_patients_may_move: false  # so\n      # is it\n\n"
        ),
        "abroad",
        "planes",
    )
    assert "# is it\n  abroad:\n    salt: planes-2\n" in text


def test_a_file_that_ends_without_a_line_end_keeps_its_last_value():
    content = yaml.safe_load(SHIPPED)
    content["evaluate"] = content.pop("evaluate")  # the last section
    text = added(yaml.safe_dump(content, sort_keys=False).rstrip("\n"), "abroad", "planes")
    assert set(yaml.safe_load(text)["evaluate"]) == {"planes", "structures", "abroad"}


def test_a_data_set_that_is_there_or_one_without_a_model_is_refused():
    with pytest.raises(SonotraceError, match=r"^params\.yaml: pull\.planes: is there already; leave out --cohort"):
        added(SHIPPED, "planes", "planes")
    with pytest.raises(
        SonotraceError, match=r"^--cohort hearts: no model is trained on it; name a data set of train_cnn"
    ):
        added(SHIPPED, "abroad", "hearts")


def test_a_section_on_one_line_is_refused_rather_than_broken():
    content = yaml.safe_load(SHIPPED)
    text = SHIPPED.replace(
        SHIPPED[SHIPPED.index("\nprepare:") : SHIPPED.index("\naugment:")], f"\nprepare: {content['prepare']}\n"
    )
    with pytest.raises(SonotraceError, match=r"^params\.yaml: prepare is not in block style; add abroad to it by hand"):
        added(text, "abroad", "planes")


def test_a_cohort_has_no_part_where_a_model_would_learn_from_it():
    content = yaml.safe_load(added(SHIPPED, "abroad", "planes"))
    assert {section for section, parts in content.items() if "abroad" in parts} == set(SECTIONS)
