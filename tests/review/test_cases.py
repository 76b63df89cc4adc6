"""The images to review come each once, the most doubtful first, with every reason, and none that is outdated."""

from pathlib import Path

import pandas as pd
import pytest

from sonotrace.errors import SonotraceError
from sonotrace.params import load
from sonotrace.review.cases import cases
from sonotrace.running.outputs import write_csv
from sonotrace.tables import CORNERS, read_table


def _cases(data_set="planes"):
    return cases(data_set, load(), Path("audit"))


def test_doubted_labels_come_first_then_errors_then_near_duplicates(doubted, pulled):
    found = _cases()
    assert [one.image for one in found] == [doubted[name] for name in ("first", "test", "error", "second")]
    first, test, _, second = found
    assert first.reasons == [
        "the audit doubts this label (rank 1)",
        "nearly the same image as another, which differs in label",
    ]
    assert (first.suggested, test.side, len(test.reasons)) == ("other", "test", 2)
    assert first.beside == [second.sha256] == [pulled.loc[doubted["second"], "sha256"]]
    assert all(one.suggested not in " ".join(one.reasons).split() for one in found if one.suggested)


def test_a_doubt_about_a_label_that_has_changed_since_is_left_out(doubted):
    table = read_table(Path("audit/labels.csv"))
    write_csv(table.assign(label="cervix"), Path("audit/labels.csv"))
    assert doubted["first"] not in [one.image for one in _cases() if "the audit" in one.reasons[0]]


def test_with_nothing_that_doubts_a_label_the_remedy_is_said(pulled):  # noqa: ARG001 - makes the tables
    with pytest.raises(SonotraceError, match="run `sonotrace audit-labels` or `dvc repro evaluate@planes` first"):
        _cases()


def test_of_boxes_the_images_with_missed_and_false_ones_come(work, pulled):
    split = pulled.assign(label="")
    target = work / "data/structures"
    write_csv(split, target / "split/split.csv")
    write_csv(read_table(Path("data/planes/pull/manifest.csv")), target / "pull/manifest.csv")
    test = list(split.index[split["side"] == "test"])[:2]
    boxes = pd.DataFrame(
        [(image, "CSP", 5.0, 5.0, 20.0, 20.0) for image in test], columns=["image", "structure", *CORNERS]
    )
    write_csv(boxes, target / "validate/boxes.csv")
    boxes[CORNERS] *= 4  # prepared at four times the size, at which boxes are found and judged
    write_csv(boxes, target / "prepare/boxes.csv")
    found = boxes.assign(confidence=0.9)
    found.loc[1, CORNERS] = [100.0, 80.0, 156.0, 116.0]
    write_csv(found, target / "evaluate/predictions.csv")
    (one,) = _cases("structures")
    assert (one.image, one.label, one.boxes) == (test[1], "CSP", [[5, 5, 20, 20]])
    assert one.reasons == ["boxes of the model: 1 missed and 1 false"]


def test_of_detectors_of_folds_the_first_seed_s_errors_come_too(work, pulled):
    split = pulled.assign(label="")
    target = work / "data/structures"
    write_csv(split, target / "split/split.csv")
    write_csv(read_table(Path("data/planes/pull/manifest.csv")), target / "pull/manifest.csv")
    learnt = list(split.index[split["side"] != "test"])[:2]
    boxes = pd.DataFrame(
        [(image, "CSP", 5.0, 5.0, 20.0, 20.0) for image in learnt], columns=["image", "structure", *CORNERS]
    )
    for stage in ("validate", "prepare"):
        write_csv(boxes, target / stage / "boxes.csv")
    first = boxes.assign(confidence=[0.9, 0.1], fold=1, seed=1)
    second = boxes.assign(confidence=[0.1, 0.9], fold=1, seed=2)
    write_csv(pd.concat([second, first]), target / "evaluate_folds/predictions.csv")
    (one,) = _cases("structures")
    assert one.image == learnt[1]
    assert one.reasons == ["boxes of a net of the folds, which had not seen the patient: 1 missed"]
