"""Patients are dealt into folds by a hash, whole, and what cannot be dealt is said."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.errors import SonotraceError
from sonotrace.patients.folds import fold_of, with_folds


def _split(count, labels=("brain", "femur"), side="train"):
    rows = [(f"{patient}-{label}", str(patient), label, side) for patient in range(count) for label in labels]
    return pd.DataFrame(rows, columns=["image", "patient", "label", "side"])


@given(patient=st.text(min_size=1), salt=st.text(), count=st.integers(2, 20))
def test_folds_are_numbered_from_one_to_their_count(patient, salt, count):
    assert 1 <= fold_of(patient, salt, count) <= count


@given(salt=st.text(), more=st.integers(1, 30))
def test_more_patients_leave_the_others_where_they_were(salt, more):
    few, many = (with_folds("planes", _split(count), f"x{salt}", 2) for count in (60, 60 + more))
    before = dict(zip(few["patient"], few["fold"], strict=True))
    assert before.items() <= dict(zip(many["patient"], many["fold"], strict=True)).items()
    assert not few.drop_duplicates(["patient", "fold"])["patient"].duplicated().any()


def test_folds_are_about_equally_large():
    found = with_folds("planes", _split(2000), "planes-2", 5).drop_duplicates("patient")
    assert found["fold"].value_counts().between(340, 460).all()


def test_the_test_side_is_in_no_fold():
    split = pd.concat([_split(60), _split(3, side="test").assign(patient="held")])
    assert "held" not in set(with_folds("planes", split, "x", 2)["patient"])


@pytest.mark.parametrize(
    ("split", "count", "said"),
    [
        (_split(3), 5, "folds.numbers has 5 folds, but planes has 3 patients"),
        (_split(2), 2, "no patient of planes came into fold|came into one fold"),
        (pd.concat([_split(60, ("brain",)), _split(1, ("femur",))]), 2, "all images of femur in planes came into one"),
    ],
)
def test_what_cannot_be_dealt_stops_with_one_line(split, count, said):
    salt = next(f"{number}" for number in range(99) if fold_of("0", f"{number}", 2) == fold_of("1", f"{number}", 2))
    with pytest.raises(SonotraceError, match=said) as caught:
        with_folds("planes", split, salt, count)
    assert str(caught.value).startswith("params.yaml: folds.numbers")
    assert "\n" not in str(caught.value)
