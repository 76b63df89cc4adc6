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


def _scanned(*scanners, site=""):
    """Make two patients for each scanner, each with a brain and a femur."""
    parts = [
        _split(2).assign(scanner=scanner, site=site, patient=lambda rows, at=at: f"{at}-" + rows["patient"])
        for at, scanner in enumerate(scanners)
    ]
    return pd.concat(parts, ignore_index=True)


def test_one_fold_is_left_out_for_each_scanner_by_name():
    found = with_folds("planes", _scanned("Voluson", "", "Aloka"), "x", 3, "scanner")
    assert dict(zip(found["scanner"], found["fold"], strict=True)) == {"Aloka": 1, "Voluson": 2, "": 3}


@given(seed=st.integers(0, 1000))
def test_a_patient_of_several_scanners_is_wholly_with_that_of_the_first_image(seed):
    on_all = _scanned("A", "B", "C").assign(patient="on all")
    split = pd.concat([_scanned("A", "B", "C"), on_all]).sample(frac=1, random_state=seed, ignore_index=True)
    found = with_folds("planes", split, "x", 3, "scanner")
    first = split[split["patient"] == "on all"]["scanner"].iloc[0]
    assert set(found["fold"][found["patient"] == "on all"]) == {"ABC".index(first) + 1}


@pytest.mark.parametrize(
    ("split", "by", "said"),
    [
        (
            _scanned("A", "B", "C"),
            "scanner",
            r"has 2 folds, but planes has 3 scanners \(A, B, C\); set it to \[1, 2, 3",
        ),
        (_scanned("", ""), "scanner", r"folds\.by is scanner, .* same one \(not stated\); set it to patient, or bring"),
        (_scanned("A", "B", site="X"), "site", r"folds\.by is site, but all images of planes have the same one \(X\)"),
    ],
)
def test_scanners_that_are_no_folds_stop_with_one_line(split, by, said):
    with pytest.raises(SonotraceError, match=said) as caught:
        with_folds("planes", split, "x", 2, by)
    assert "\n" not in str(caught.value)


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
