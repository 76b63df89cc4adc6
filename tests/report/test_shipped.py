"""What differs from the shipped parameters is said with what it means."""

from pathlib import Path

import yaml

from sonotrace.records.lock import flat
from sonotrace.report.shipped import SHIPPED, changed

TOP = Path(__file__).parents[2]
KINDS = {"planes": "planes", "structures": "structures"}


def _parameters():
    return flat(yaml.safe_load((TOP / "params.yaml").read_text()))


def test_the_copy_is_the_file_that_the_project_ships():
    remedy = "cp params.yaml src/sonotrace/report/shipped.yaml"
    assert SHIPPED.read_text() == (TOP / "params.yaml").read_text(), remedy


def test_as_shipped_nothing_differs():
    assert changed(_parameters(), KINDS) == []


def test_a_changed_value_is_there_with_the_shipped_one_and_its_comment():
    (one,) = changed(_parameters() | {"train_cnn.planes.epochs": 3}, KINDS)
    assert (one.key, one.value, one.shipped) == ("train_cnn.planes.epochs", 3, 12)
    assert one.meaning.startswith("passes over the training images")


def test_a_value_on_a_line_of_several_has_the_comment_of_the_line():
    (one,) = changed(_parameters() | {"split.planes.fractions.test": 0.2}, KINDS)
    assert one.meaning == "of patients; they add up to 1"


def test_a_value_that_is_explained_once_is_explained_for_the_other_kind_too():
    (one,) = changed(_parameters() | {"augment.structures.copies": 9}, KINDS)
    assert one.meaning.startswith("per source image")
    (other,) = changed(_parameters() | {"augment.structures.shear": 0.5}, KINDS)
    assert other.meaning.startswith("at most, sideways shift")


def test_a_data_set_of_another_name_is_held_against_the_shipped_one_of_its_kind():
    found = changed({"prepare.abroad.width": 224, "prepare.abroad.height": 256}, KINDS | {"abroad": "planes"})
    assert [(one.key, one.shipped) for one in found] == [("prepare.abroad.width", 256)]


def test_a_kind_without_a_shipped_data_set_is_left_out():
    assert changed({"prepare.strange.width": 1}, KINDS | {"strange": "out_of_scope"}) == []
