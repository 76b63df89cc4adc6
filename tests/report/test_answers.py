"""The worst errors of a classifier come first, and each cell of the confusion matrix has its images."""

import pandas as pd

from sonotrace.report.answers import IN_A_CELL, REASSURING, accepted, confusion, errors


def _table(rows):
    columns = ["image", "patient", "label", "predicted", "scope", "in_scope", "brain", "femur"]
    return pd.DataFrame([(name, "p", *rest) for name, *rest in rows], columns=columns)


WRONG = _table([
    ("right", "brain", "brain", -1, "true", 0.9, 0.1),
    ("unsure", "brain", "femur", -1, "true", 0.4, 0.6),
    ("sure", "brain", "femur", -1, "true", 0.05, 0.95),
    ("refused", "brain", "femur", 1, "false", 0.01, 0.99),
    ("shy", "femur", "femur", 1, "false", 0.2, 0.8),
])  # fmt: skip


def test_the_surest_errors_come_first_then_refused_ones_then_right_answers():
    assert list(errors(WRONG)["image"]) == ["sure", "unsure", "refused", "shy", "right"]


def test_a_cell_shows_no_more_than_its_share_and_right_answers_are_the_least_sure():
    wrong = [(f"w{at:02}", "brain", "femur", -1, "true", 0.3, 0.7) for at in range(40)]
    right = [(f"r{at:02}", "brain", "brain", -1, "true", 0.6 + at / 100, 0.4 - at / 100) for at in range(20)]
    shown = list(errors(_table(wrong + right))["image"])
    assert [name for name in shown if name[0] == "w"] == [f"w{at:02}" for at in range(IN_A_CELL)]
    assert [name for name in shown if name[0] == "r"] == [f"r{at:02}" for at in range(REASSURING)]


def test_every_image_is_counted_whether_it_is_shown_or_not():
    assert confusion(WRONG) == {"brain": {"brain": 1, "femur": 3}, "femur": {"femur": 1}}


def test_of_images_out_of_scope_those_that_were_let_in_are_shown():
    assert list(accepted(WRONG)["image"]) == ["sure", "right", "unsure"]


def test_a_model_that_refuses_nothing_has_no_column_for_it():
    assert list(errors(WRONG.drop(columns=["scope", "in_scope"]))["image"])[:3] == ["refused", "sure", "unsure"]
