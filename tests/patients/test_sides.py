"""A patient is on one side, whatever else is in the data set."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.errors import SonotraceError
from sonotrace.params.split import Fractions, SplitOne
from sonotrace.patients.sides import place, require_official, sides_of
from sonotrace.tables import SIDES

FRACTIONS = Fractions(train=0.7, val=0.15, test=0.15)
BY_HASH = SplitOne(salt="salt", use_official=False, fractions=FRACTIONS, test_patients_may_move=False)
OFFICIAL = BY_HASH.model_copy(update={"use_official": True})

patients = st.text("0123456789", min_size=1, max_size=4)
rows = st.lists(st.tuples(patients, st.sampled_from(["", *SIDES])), min_size=1, max_size=40)


def _table(pairs):
    return pd.DataFrame(pairs, columns=["patient", "official_split"], dtype=str)


def _by_patient(pairs, params):
    return {(patient, side) for (patient, _), side in zip(pairs, sides_of(_table(pairs), params), strict=True)}


@pytest.mark.parametrize("params", [BY_HASH, OFFICIAL], ids=["by hash", "official"])
@given(pairs=rows)
def test_a_patient_never_crosses_splits(params, pairs):
    found = _by_patient(pairs, params)
    assert len(found) == len({patient for patient, _ in pairs})
    assert {side for _, side in found} <= set(SIDES)


@pytest.mark.parametrize("params", [BY_HASH, OFFICIAL], ids=["by hash", "official"])
@given(pairs=rows, data=st.data())
def test_the_order_of_rows_moves_nobody(params, pairs, data):
    assert _by_patient(data.draw(st.permutations(pairs)), params) == _by_patient(pairs, params)


@given(rows, rows)
def test_more_images_and_patients_move_nobody(pairs, more):
    assert _by_patient(pairs, BY_HASH) <= _by_patient(pairs + more, BY_HASH)


@given(rows)
def test_the_side_depends_on_salt_and_patient_alone(pairs):
    for patient, side in _by_patient(pairs, BY_HASH):
        assert sides_of(_table([(patient, "")]), BY_HASH) == [side]


def test_another_salt_is_another_split():
    pairs = [(str(number), "") for number in range(50)]
    assert _by_patient(pairs, BY_HASH) != _by_patient(pairs, BY_HASH.model_copy(update={"salt": "other"}))
    assert 0 <= place("7", "salt") < 1


@pytest.mark.parametrize("fractions", [(0.7, 0.15, 0.15), (0.2, 0.3, 0.5)])
def test_fractions_are_kept_on_many_patients(fractions):
    shares = dict(zip(SIDES, fractions, strict=True))
    pairs = [(f"P{number:05}", "") for number in range(5000)]
    sides = sides_of(_table(pairs), BY_HASH.model_copy(update={"fractions": Fractions(**shares)}))
    for side, share in shares.items():
        assert sides.count(side) / 5000 == pytest.approx(share, abs=0.025)


@given(rows)
def test_official_sides_are_kept(pairs):
    found = dict(_by_patient([*pairs, ("V", "val")], OFFICIAL))
    for patient in {patient for patient, _ in pairs}:
        official = {side for other, side in pairs if other == patient} - {""}
        if official:
            assert found[patient] == next(side for side in ("test", "val", "train") if side in official)
        else:
            assert found[patient] == sides_of(_table([(patient, "")]), BY_HASH)[0]


def test_a_patient_on_several_official_sides_goes_to_the_strictest():
    pairs = [("a", "train"), ("a", "test"), ("b", "val"), ("b", "train"), ("c", "val"), ("c", "test"), ("d", "train")]
    assert dict(_by_patient(pairs, OFFICIAL)) == {"a": "test", "b": "val", "c": "test", "d": "train"}


def test_where_there_is_no_official_val_side_it_is_taken_from_train():
    train = [(f"A{number}", "train") for number in range(3000)]
    test = [(f"B{number}", "test") for number in range(300)]
    sides = sides_of(_table(train + test), OFFICIAL)
    assert set(sides[3000:]) == {"test"}
    assert set(sides[:3000]) == {"train", "val"}
    assert sides[:3000].count("val") / 3000 == pytest.approx(0.15 / 0.85, abs=0.03)
    more = [("A-new", "train"), ("B-new", "test")]
    assert sides_of(_table(train + test + more), OFFICIAL)[:3300] == sides


def test_official_sides_count_only_on_request():
    pairs = [(f"{number}", "test") for number in range(40)]
    assert set(sides_of(_table(pairs), BY_HASH)) == set(SIDES)
    assert set(sides_of(_table(pairs), OFFICIAL)) == {"test"}


@given(rows)
def test_an_official_split_is_missing_only_if_nobody_has_one(pairs):
    if any(side for _, side in pairs):
        require_official("planes", _table(pairs))
    else:
        with pytest.raises(SonotraceError, match=r"split\.planes\.use_official is true"):
            require_official("planes", _table(pairs))
