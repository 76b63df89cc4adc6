"""Effect sizes follow their definition and depend on ranks alone."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from states import row, rows, tables

from sonotrace.compare.images import images_of, joined
from sonotrace.compare.revisions import both
from sonotrace.compare.statistics import cliffs_delta, measured, shifts, word

VALUES = st.lists(st.integers(-5, 5), min_size=1, max_size=20)


@given(VALUES, VALUES)
def test_delta_counts_pairs(one, other):
    pairs = [np.sign(b - a) for a in one for b in other]
    assert cliffs_delta(one, other) == pytest.approx(sum(pairs) / len(pairs))


@given(VALUES, VALUES)
def test_delta_changes_sign_with_the_groups_and_is_the_same_on_any_rising_scale(one, other):
    assert cliffs_delta(one, other) == -cliffs_delta(other, one)
    assert cliffs_delta(one, other) == cliffs_delta(np.exp(one), np.exp(other))


@given(VALUES)
def test_a_group_does_not_differ_from_itself(values):
    assert cliffs_delta(values, values) == 0


def test_words_are_those_of_the_convention():
    expected = {
        0.0: "negligible",
        0.146: "negligible",
        0.147: "small",
        -0.329: "small",
        0.33: "medium",
        -0.474: "large",
    }
    assert {delta: word(delta) for delta in expected} == expected
    assert word(1.0) == word(-1.0) == "large"


def test_without_images_there_is_no_effect_size():
    assert np.isnan(cliffs_delta([], [1.0]))


def _shifts(project, before, after, statistics=(True, True)):
    project.state("a", tables("planes", before, statistics[0]))
    project.state("b", tables("planes", after, statistics[1]))
    revisions = both("a", "b", project.top)
    images = [images_of(revision, "planes") for revision in revisions]
    looks = [measured(revision, "planes", table) for revision, table in zip(revisions, images, strict=True)]
    table = pd.DataFrame(map(asdict, shifts(*looks, joined(*images))))
    return table.set_index(["images", "feature"]), revisions


def test_brighter_new_images_and_sharper_changed_ones_are_seen(project):
    before = rows(10)
    after = [
        row(0, content="taken again", sharpness=999.0),
        *before[1:],
        *(row(number, brightness=200.0, width=20) for number in range(10, 20)),
    ]
    table, _ = _shifts(project, before, after)
    assert table.loc["added", "cliffs_delta"].to_dict() == {
        "width": 1.0,
        "height": 0.0,
        "brightness": 1.0,
        "sharpness": 1.0,
    }
    assert table.loc[("changed", "sharpness")][["n_a", "n_b", "median_a", "median_b", "effect"]].tolist() == [
        1,
        1,
        100.0,
        999.0,
        "large",
    ]
    assert table.loc[("all", "width")][["n_a", "n_b", "cliffs_delta", "effect"]].tolist() == [10, 20, 0.5, "large"]
    assert table.loc[("all", "height"), "effect"] == "negligible"


def test_a_state_older_than_the_table_still_compares_sizes_with_a_note(project):
    table, (one, other) = _shifts(project, rows(4), rows(4), statistics=(False, True))
    assert set(table.reset_index()["feature"]) == {"width", "height"}
    assert any("data/planes/validate/statistics.csv: this state predates it" in note for note in one.notes)
    assert other.notes == []
