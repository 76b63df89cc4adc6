"""The stage keeps its tables, and trains on nobody who was in the test split."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from sonotrace import kinds
from sonotrace.errors import SonotraceError
from sonotrace.patients.pseudonyms import VARIABLE, record
from sonotrace.running.outputs import write_csv, write_json
from sonotrace.stages.split import describe, run, warnings
from sonotrace.tables import IMAGE_COLUMNS, SIDES, box_table

ROOT = Path(__file__).parents[2]


def test_the_report_counts_patients_images_and_classes():
    table = pd.DataFrame(
        {
            "image": list("abcd"),
            "patient": list("1123"),
            "label": ["brain", "femur", "brain", "brain"],
            "side": ["train", "train", "val", "test"],
        }
    )
    report = describe(kinds.PLANES, table, box_table([]))
    assert report["train"] == {"patients": 1, "images": 2, "abdomen": 0, "brain": 1, "femur": 1, "thorax": 0}
    assert report["test"] == {"patients": 1, "images": 1, "abdomen": 0, "brain": 1, "femur": 0, "thorax": 0}
    corners = {"x0": 0, "y0": 0, "x1": 1, "y1": 1}
    boxes = box_table([{"image": image, "file": "", "structure": "CSP", **corners} for image in "aac"])
    report = describe(kinds.STRUCTURES, table, boxes)
    assert report["train"] == {"patients": 1, "images": 2, "CHOROID_PLEXUS": 0, "CSP": 2, "MIDLINE_FALX": 0}
    assert [report[side]["CSP"] for side in SIDES] == [2, 1, 0]


def test_a_class_that_a_side_has_none_of_is_said():
    full = {"patients": 1, "images": 2, "abdomen": 1, "brain": 2, "femur": 1, "thorax": 1}
    report = {"train": full, "val": full | {"femur": 0}, "test": full}
    assert warnings("planes", report) == [
        "no femur on the val side of planes; change split.planes.salt or bring more patients"
    ]


def test_a_cohort_lies_on_the_test_side_and_enters_its_ledger(work, capsys):
    parameters = yaml.safe_load((work / "params.yaml").read_text())
    for section in ("augment", "train_cnn", "export_onnx"):
        parameters[section]["other"] = parameters[section].pop("planes")
    for section in ("pull", "validate", "split", "prepare", "evaluate"):
        parameters[section]["other"] = dict(parameters[section]["planes"])
    parameters["split"]["planes"]["fractions"] = {"train": 0, "val": 0, "test": 1}
    parameters["evaluate"]["planes"]["trained_on"] = "other"
    parameters["evaluate"]["other"] |= {"trained_on": "other", "model": "models/other.keras"}
    parameters["export_onnx"]["other"]["model"] = "models/other.keras"
    (work / "params.yaml").write_text(yaml.safe_dump(parameters))
    _accept(work, MANY)
    run("planes")
    assert _tested() == set(MANY)
    assert len(_rows(work)) == len(MANY)
    assert all(row.endswith(",held") for row in _rows(work))
    said = [line for line in capsys.readouterr().out.splitlines() if "warning: no" in line]
    assert said == [
        f"split: warning: no {plane} on the test side of planes; bring more patients"
        for plane in ("abdomen", "femur", "thorax")
    ]


LEDGER = "reports/planes/test_patients.csv"
MOVE = "split.planes.test_patients_may_move"


def _accept(work, patients, source="phantom", official=""):
    """Lay out what split reads: one image a patient."""
    accepted = pd.DataFrame(
        {name: [""] * len(patients) for name in IMAGE_COLUMNS}
        | {"image": [f"i{at}" for at in range(len(patients))], "patient": patients}
        | {"label": "brain", "width": 4, "height": 4, "official_split": official}
    )
    write_csv(accepted, work / "data/planes/validate/accepted.csv")
    write_csv(box_table([]), work / "data/planes/validate/boxes.csv")
    write_json({"source": source}, work / "reports/planes/snapshot.json")
    return accepted


def _commit(work):
    subprocess.run(["git", "init", "--quiet"], cwd=work, check=True)
    subprocess.run(["git", "add", "--all"], cwd=work, check=True)
    author = ["-c", "user.name=test", "-c", "user.email=test@sonotrace"]
    subprocess.run(["git", *author, "commit", "--quiet", "--message", "now"], cwd=work, check=True)


def _rows(work):
    return (work / LEDGER).read_text().splitlines()[1:]


def _tested():
    table = pd.read_csv("data/planes/split/split.csv", dtype=str)
    return set(table[table["side"] == "test"]["patient"])


MANY = [f"{number:03}" for number in range(60)]


def test_the_ledger_holds_the_test_patients_and_no_number_of_theirs(work, monkeypatch):
    monkeypatch.setenv(VARIABLE, "a key of the hospital that nobody else knows")
    record()
    patients = [f"patient-{number}" for number in MANY]
    _accept(work, patients, "incoming")
    run("planes")
    assert len(_rows(work)) == len(_tested()) > 0
    assert all(row.endswith(",keyed,real,held") for row in _rows(work))
    assert not any(patient in (work / LEDGER).read_text() for patient in patients)
    assert _rows(work) == sorted(_rows(work))


def test_more_patients_add_rows_and_stop_nothing(work):
    _accept(work, MANY[:30])
    run("planes")
    before, tested = set(_rows(work)), _tested()
    _accept(work, MANY)
    run("planes")
    assert before < set(_rows(work))
    assert tested < _tested()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("split.planes.salt", "other"),
        ("split.planes.use_official", True),
        ("split.planes.fractions", {"train": 0.8, "val": 0.15, "test": 0.05}),
    ],
)
def test_a_changed_parameter_that_moves_a_test_patient_stops_until_confirmed(work, set_param, capsys, key, value):
    _accept(work, MANY, official="train")
    run("planes")
    split, ledger = (work / "data/planes/split/split.csv"), (work / LEDGER)
    before, tested = (split.read_bytes(), ledger.read_bytes()), _tested()
    set_param(key, value)
    with pytest.raises(SonotraceError) as caught:
        run("planes")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{LEDGER}: ")
    assert f"{MOVE}: true" in message
    assert "; change that back, or" in message
    assert not any(patient in message for patient in MANY)
    assert (split.read_bytes(), ledger.read_bytes()) == before
    set_param(MOVE, True)
    run("planes")
    moved = len(tested - _tested())
    assert f" {moved} test patients" in message
    assert f"{moved} patients of {LEDGER} leave the test side" in capsys.readouterr().out
    assert sum(row.endswith("released") for row in _rows(work)) == moved
    assert len(_rows(work)) == len(tested | _tested())
    run("planes")
    assert f"set {MOVE} to false again" in capsys.readouterr().out
    set_param(MOVE, False)
    run("planes")


def test_official_sides_that_nobody_has_stop_the_split(work, set_param):
    set_param("split.planes.use_official", True)
    _accept(work, MANY)
    with pytest.raises(
        SonotraceError,
        match=r"split\.planes\.use_official is true, but no accepted image of this snapshot has an official split",
    ):
        run("planes")
    assert not Path("data/planes/split/split.csv").exists()


def test_official_sides_that_change_in_the_data_stop_too(work, set_param):
    set_param("split.planes.use_official", True)
    _accept(work, MANY, official="test")
    run("planes")
    _accept(work, MANY, official="train")
    with pytest.raises(SonotraceError, match=r" 60 test patients .*see split\.planes\.salt, .*official split"):
        run("planes")


def test_what_the_last_commit_holds_is_taken_up_again(work, set_param):
    _accept(work, MANY)
    run("planes")
    _commit(work)
    before = (work / LEDGER).read_bytes()
    (work / LEDGER).unlink()
    set_param("split.planes.salt", "other")
    with pytest.raises(SonotraceError, match="test patients would be trained or validated on"):
        run("planes")
    set_param("split.planes.salt", "planes-2")
    for damage in ("", f"{before.decode().splitlines()[0]}\n"):
        (work / LEDGER).unlink(missing_ok=True)
        if damage:
            (work / LEDGER).write_text(damage)
        _accept(work, MANY[:1])
        run("planes")
        assert (work / LEDGER).read_bytes() == before


def test_rows_of_a_trial_that_was_not_committed_are_taken_back_with_git(work, set_param):
    _accept(work, MANY)
    run("planes")
    _commit(work)
    set_param("split.planes.salt", "trial")
    set_param(MOVE, True)
    run("planes")
    set_param("split.planes.salt", "planes-2")
    set_param(MOVE, False)
    with pytest.raises(SonotraceError, match=rf"restore the committed ledger by `git checkout -- {LEDGER}`"):
        run("planes")
    subprocess.run(["git", "checkout", "--quiet", "--", LEDGER], cwd=work, check=True)
    run("planes")


def test_two_branches_ledgers_merge_without_a_conflict(work):
    (work / ".gitattributes").write_text((ROOT / ".gitattributes").read_text())
    _accept(work, MANY[:1])
    run("planes")
    _commit(work)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@sonotrace"]
    for branch, patients in (("one", MANY[:30]), ("two", MANY[30:])):
        subprocess.run([*git, "checkout", "--quiet", "-b", branch, "HEAD" if branch == "one" else "HEAD^"], check=True)
        _accept(work, patients)
        run("planes")
        if branch == "one":
            rows = set(_rows(work))
        subprocess.run([*git, "add", LEDGER], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", branch], check=True)
        subprocess.run([*git, "checkout", "--quiet", "--", "."], check=True)
    rows |= set(_rows(work))
    subprocess.run([*git, "merge", "--quiet", "one"], check=True)
    _accept(work, MANY[:1])
    run("planes")
    assert set(_rows(work)) == rows
    assert _rows(work) == sorted(rows)


def test_patient_numbers_that_can_be_brute_forced_are_mentioned(work, capsys):
    _accept(work, MANY, "incoming")
    run("planes")
    assert "without a patient key, patient numbers can be brute-forced" in capsys.readouterr().out
    _accept(work, MANY, "zenodo")
    run("planes")
    assert "brute-forced" not in capsys.readouterr().out


def test_people_do_not_meet_the_phantoms_patients_and_meet_each_other(work, set_param):
    _accept(work, MANY, "phantom")
    run("planes")
    set_param("split.planes.salt", "other")
    _accept(work, MANY, "zenodo")
    run("planes")
    set_param("split.planes.salt", "another")
    _accept(work, MANY, "incoming")
    with pytest.raises(SonotraceError, match="test patients would be trained or validated on"):
        run("planes")


def test_the_stage_keeps_the_accepted_rows_and_warns(work, capsys):
    accepted = _accept(work, ["007", "007", "8"])
    run("planes")
    table = pd.read_csv("data/planes/split/split.csv", dtype=str, keep_default_na=False)
    assert table.drop(columns="side").equals(accepted.astype(str))
    assert table["side"][0] == table["side"][1]
    report = json.loads((work / "reports/planes/split.json").read_text())
    assert sum(report[side]["images"] for side in SIDES) == 3
    assert "warning: no thorax on the test side of planes" in capsys.readouterr().out


def test_a_first_run_says_nothing_of_earlier_ones_and_nothing_of_git(work, capsys):
    _accept(work, MANY)
    run("planes")
    printed = capsys.readouterr().out
    assert not any(word in printed for word in ("last commit", "git", "new", "fetch"))


def test_a_repository_that_git_cannot_read_is_mentioned_while_there_is_no_ledger(work, capsys):
    _accept(work, MANY)
    (work / ".git").mkdir()
    run("planes")
    assert f"git cannot read this repository (see `git status`), so {LEDGER} begins anew" in capsys.readouterr().out
    run("planes")
    assert "git" not in capsys.readouterr().out


def test_a_requested_official_split_that_nobody_has_stops_the_run(work, set_param):
    set_param("split.planes.use_official", True)
    _accept(work, MANY)
    with pytest.raises(SonotraceError, match=r"^params\.yaml: split\.planes\.use_official is true, but no .*false, or"):
        run("planes")
    assert not (work / LEDGER).exists()
    _accept(work, MANY, official=["train"] + [""] * (len(MANY) - 1))
    run("planes")
