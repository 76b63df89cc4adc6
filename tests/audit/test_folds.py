"""Who judges whom: a patient is never judged by a net that saw them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from packed import packed

from sonotrace.audit import folds as audit_folds
from sonotrace.audit.folds import folds_of
from sonotrace.errors import SonotraceError
from sonotrace.images import copies
from sonotrace.kinds.planes import PLANES
from sonotrace.params import load


def _table(rows):
    table = pd.DataFrame(rows, columns=["patient", "label"])
    return table.assign(image=[f"{number:03}" for number in range(len(table))])


ROWS = st.lists(st.tuples(st.integers(0, 20).map(str), st.sampled_from(PLANES)), min_size=4, max_size=60)


@given(ROWS, st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_a_patient_stands_in_one_fold_and_every_plane_can_be_learned_without_it(rows, folds, seed):
    table = _table(rows)
    try:
        fold = folds_of("planes", table, folds, seed)
    except SonotraceError:
        assume(False)
    assert table.assign(fold=fold).groupby("patient")["fold"].nunique().max() == 1
    assert ((fold >= 0) & (fold < folds)).all()
    for number in range(folds):
        assert set(table["label"][fold != number]) == set(table["label"])


@given(ROWS, st.integers(2, 5))
def test_the_folds_are_the_same_each_time(rows, folds):
    table = _table(rows)
    try:
        fold = folds_of("planes", table, folds, 1)
    except SonotraceError:
        assume(False)
    assert (folds_of("planes", table, folds, 1) == fold).all()


def test_planes_are_spread_over_the_folds():
    table = _table([(str(number), PLANES[number % 4]) for number in range(80)])
    counts = table.assign(fold=folds_of("planes", table, 5, 1)).groupby(["fold", "label"]).size()
    assert (counts == 4).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("1", "brain"), ("2", "femur")], r"2 patients, fewer than the 3 folds; .*--folds"),
        ([(str(number), "brain") for number in range(9)], r"only images of brain; bring images of other planes"),
        ([(str(number), PLANES[number % 4]) for number in range(8)], r"no plane has the 3 images.*; .*--folds"),
        (
            [("1", "femur"), ("1", "femur"), *((str(number), "brain") for number in range(2, 9))],
            r"all images of femur are of one patient.*; bring femur images",
        ),
    ],
)
def test_what_cannot_be_audited_is_said_in_one_line(rows, said):
    with pytest.raises(SonotraceError, match=rf"^data/planes/split/split\.csv: {said}") as caught:
        folds_of("planes", _table(rows), 3, 1)
    assert "\n" not in str(caught.value)


def test_a_plane_that_came_into_one_fold_stops_the_audit(monkeypatch):
    from sklearn.model_selection import StratifiedGroupKFold

    table = _table([("1", "femur"), ("2", "femur"), ("3", "brain"), ("4", "brain")])
    monkeypatch.setattr(StratifiedGroupKFold, "split", lambda *_: [(None, np.array([0, 1, 2])), (None, np.array([3]))])
    with pytest.raises(SonotraceError, match=r"all images of femur came into one of 2 folds; .*--folds"):
        folds_of("planes", table, 2, 1)


def test_the_net_sees_the_copies_that_augment_makes(work):
    params = load().augment["planes"]
    for name in ("here", "there"):
        (work / name).mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    prepared = packed(work / "prepared", {"a": picture})
    table = pd.DataFrame({"image": ["a"], "sha256": ["0" * 64], "label": ["brain"]})
    ((views, label, _),) = audit_folds._examples(table, prepared, params, work / "here")
    with copies.open_cache(params) as cache:
        original = copies.Original("a", "0" * 64, [], np.empty((0, 4)))
        list(copies.copy_images([original], params, prepared, work / "there", cache))
    assert label == "brain"
    assert views[0] == prepared["a"]
    assert [view.name for view in views[1:]] == [f"a/{copy}.png" for copy in range(1, params.copies + 1)]
    assert (work / "here/0.zip").read_bytes() == (work / "there/0.zip").read_bytes()
