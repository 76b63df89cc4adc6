"""Models are scored on the same bytes, against one truth, by the definitions of evaluate."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from states import PARAMETERS, noisy, row, rows, tables

from sonotrace.compare.comparison import compare
from sonotrace.compare.data import images_of, joined
from sonotrace.compare.revisions import both
from sonotrace.compare.scores import _structures_pair
from sonotrace.params import EvaluateOne, EvaluateStructures
from sonotrace.stages.evaluate import metrics_of_planes, metrics_of_structures


def _planes(project, before, after, **more):
    project.state("a", tables("planes", before), **more)
    project.state("b", tables("planes", after), **more)
    found, _ = compare("a", "b", project.top)
    return found


def test_scores_on_common_images_are_those_of_evaluate(project):
    before, after = noisy(rows(24), 1, 0.2), noisy(rows(24), 2, 0.5)
    common = _planes(project, before, after)["scores"]["planes"]["common"]
    for side, images in (("a", before), ("b", after)):
        predictions = tables("planes", images)["data/planes/evaluate/predictions.csv"]
        headline, _ = metrics_of_planes(predictions, EvaluateOne(bootstrap=100, seed=1))
        for name, score in common["scores"].items():
            assert score[side] == pytest.approx(headline[name], abs=1e-4)
    assert (common["images"], common["patients"], common["relabelled"]) == (24, 12, 0)


def test_only_the_same_bytes_on_both_test_sides_are_common(project):
    before = [*rows(12), row(12), row(13, side="train"), row(14, content="first"), row(16)]
    after = [*rows(12), row(13), row(12, side="val"), row(14, content="second"), row(16, image="Patient00008_renamed")]
    common = _planes(project, before, after)["scores"]["planes"]["common"]
    assert common["images"] == 13


def test_the_newer_label_is_true_for_both(project):
    before = rows(12)
    relabelled = [row(number, label="brain") if number % 4 == 0 else row(number) for number in range(12)]
    common = _planes(project, before, relabelled)["scores"]["planes"]["common"]
    assert common["relabelled"] == 3
    assert common["scores"]["accuracy"]["a"] == common["scores"]["accuracy"]["b"] == 0.75
    assert common["same_predictions"]


def test_a_plane_that_a_model_does_not_know_is_wrong_from_it(project):
    before = rows(12)
    after = [*rows(10), *(row(number, label="cervix", predicted="cervix") for number in (10, 11))]
    common = _planes(project, before, after)["scores"]["planes"]["common"]
    assert common["scores"]["accuracy"]["a"] == pytest.approx(10 / 12, abs=1e-4)
    assert common["scores"]["accuracy"]["b"] == 1


def test_a_much_worse_model_is_named_and_the_way_back_is_better(project):
    images = rows(80)
    found = _planes(project, images, noisy(images, 3, 0.6), metrics=True)
    assert found["worse"] == ["planes macro_f1"]
    assert found["scores"]["planes"]["common"]["scores"]["macro_f1"]["sentence"].startswith("macro_f1: worse, by 0.")
    back, _ = compare("b", "a", project.top)
    assert back["worse"] == []
    assert back["scores"]["planes"]["common"]["scores"]["macro_f1"]["verdict"] == "better"
    full = found["scores"]["planes"]["full"]
    assert (full["images_a"], full["patients_b"]) == (80, 40)
    for score in full["scores"].values():
        assert score["low"] < score["difference"] < score["high"]


def test_a_little_worse_on_few_patients_is_not_distinguishable(project):
    after = [row(0, predicted="thorax"), *rows(24)[1:]]
    found = _planes(project, rows(24), after)
    score = found["scores"]["planes"]["common"]["scores"]["macro_f1"]
    assert score["sentence"] == "macro_f1: not distinguishable with 12 patients"
    assert score["difference"] < 0
    assert found["worse"] == []


def test_a_state_against_itself_differs_in_nothing(project):
    project.state("a", tables("planes", noisy(rows(12), 1, 0.3)), metrics=True)
    found, images = compare("a", "a", project.top)
    assert images.empty
    assert found["settings"] == {"parameters": [], "code": [], "libraries": [], "snapshots": []}
    for part in ("common", "full"):
        assert {score["difference"] for score in found["scores"]["planes"][part]["scores"].values()} == {0}


def test_what_cannot_be_compared_is_said_and_the_rest_is(project):
    project.state("a", tables("planes", rows(12)), metrics=True)
    project.state("b", tables("planes", noisy(rows(12), 1, 0.4)), metrics=True)
    lost = project.top / ".dvc/cache/files/md5"
    md5 = yaml.safe_load(project.git("show", "a:dvc.lock"))["stages"]["evaluate@planes"]["outs"][0]["md5"]
    (lost / md5[:2] / md5[2:]).unlink()
    found, _ = compare("a", "b", project.top)
    assert found["scores"]["planes"]["common"].startswith("predictions or image tables are not to be had")
    assert found["scores"]["planes"]["full"]["scores"]["accuracy"]["difference"] < 0
    assert found["data"]["planes"]["images"]["a"] == 12
    remedy = "`dvc fetch --all-commits`, of an experiment `dvc exp pull` brings it"
    said = f"data/planes/evaluate/predictions.csv (md5 {md5}) is not in this clone; {remedy}"
    assert said in found["a"]["notes"]
    assert said not in found["b"]["notes"]
    assert found["scores"]["structures"]["common"].startswith("predictions or image tables are not to be had")


CSP, FALX = ("CSP", 1, 1, 4, 4), ("MIDLINE_FALX", 0, 5, 9, 7)


def _found(random, box, scale=10):
    """Predict a box of 10 x 10 px a little off, as the prepared image of `scale` times that size shows it."""
    corners = np.array(box[1:]) + random.normal(0, 0.3, 4)
    return (box[0], round(random.uniform(0.1, 0.9), 4), *(corners * scale).round(4))


def _heads(seed, scale=10):
    random = np.random.default_rng(seed)
    return [
        row(number, boxes=[CSP, FALX], found=[_found(random, CSP, scale), _found(random, FALX, scale)])
        for number in range(12)
    ]


def _pair(project, before, after, *parameters):
    for name, images, values in zip("ab", (before, after), parameters or (PARAMETERS, PARAMETERS), strict=True):
        project.state(name, tables("structures", images), parameters=values)
    one, other = both("a", "b", project.top)
    table = joined(images_of(one, "structures"), images_of(other, "structures"))
    path = "data/structures/{}.csv"
    found = [revision.table(path.format("evaluate/predictions")) for revision in (one, other)]
    true = other.table(path.format("prepare/boxes"))
    return _structures_pair(table, one, other, *found, true)


def _scores(score, model):
    every = np.arange(12)
    return score(np.full_like(every, model), every)


def test_boxes_on_common_images_score_as_in_evaluate(project):
    before, after = _heads(1), _heads(2)
    score, same = _pair(project, before, after)
    assert not same
    for model, images in enumerate((before, after)):
        made = tables("structures", images)
        test = made["data/structures/split/split.csv"]
        predictions = made["data/structures/evaluate/predictions.csv"]
        headline, _ = metrics_of_structures(
            predictions,
            test,
            made["data/structures/prepare/boxes.csv"],
            EvaluateStructures(bootstrap=100, seed=1, confidence=0.25),
        )
        for name, value in _scores(score, model).items():
            assert value == pytest.approx(headline[name], abs=1e-4)
    assert _scores(score, 0) != _scores(score, 1)


def test_boxes_of_images_prepared_at_another_size_score_the_same(project):
    other_size = json.loads(json.dumps(PARAMETERS))
    other_size["prepare"]["structures"] |= {"width": 250, "height": 50, "aspect": "letterbox"}
    fitted = [
        row(
            number,
            boxes=[CSP, FALX],
            found=[
                (name, certain, x0 / 2 + 100, y0 / 2, x1 / 2 + 100, y1 / 2)
                for name, certain, x0, y0, x1, y1 in image["found"]
            ],
        )
        for number, image in enumerate(_heads(1))
    ]
    score, _ = _pair(project, fitted, _heads(1), other_size, PARAMETERS)
    assert _scores(score, 0) == pytest.approx(_scores(score, 1))
    unmoved, _ = _pair(project, fitted, _heads(1))
    assert _scores(unmoved, 0)["map50"] < _scores(unmoved, 1)["map50"]


def test_a_head_that_one_model_was_trained_on_is_not_common(project):
    heads = _heads(1)[:4]
    project.state("a", tables("structures", [heads[0] | {"side": "train"}, *heads[1:]]))
    project.state("b", tables("structures", heads))
    found, _ = compare("a", "b", project.top)
    common = found["scores"]["structures"]["common"]
    assert (common["images"], common["same_predictions"]) == (3, True)


def test_a_state_without_the_parameters_of_its_boxes_is_told_and_the_rest_is_compared(project):
    project.state("a", tables("structures", _heads(1)), parameters={"evaluate": PARAMETERS["evaluate"]})
    project.state("b", tables("structures", _heads(2)))
    found, _ = compare("a", "b", project.top)
    said = "params.yaml at a: prepare.structures.width is missing; compare a state that has it"
    assert found["scores"]["structures"]["common"] == said
    assert found["data"]["structures"]["images"]["b"] == 12


def test_nobody_is_named_but_in_the_list(project):
    before = [row(number, patient=f"secret{number}") for number in range(6)]
    after = [row(0, patient="secret0", label="thorax", side="train"), *before[2:], row(9, patient="secret9")]
    project.state("a", tables("planes", before))
    project.state("b", tables("planes", after))
    found, images = compare("a", "b", project.top)
    assert "secret" not in json.dumps(found)
    assert "Patient0" not in json.dumps(found)
    assert set(images["patient_before"].dropna()) | set(images["patient_after"].dropna()) == {
        "secret0",
        "secret1",
        "secret9",
    }
    assert found["data"]["planes"]["warnings"] == [
        "1 patient (1 image in both) tested on in A and trained on in B: the test side of A says nothing of B's model"
    ]


def test_the_workspace_counts_as_it_lies(project):
    project.state("a", tables("planes", rows(12)))
    path = Path("data/planes/evaluate/predictions.csv")
    worse = tables("planes", noisy(rows(12), 1, 0.9))[path.as_posix()]
    worse.to_csv(project.top / path, index=False)
    found, _ = compare("a", "workspace", project.top)
    assert found["scores"]["planes"]["common"]["scores"]["accuracy"]["difference"] < 0
    assert (
        f"{path} is not what dvc.lock names; it is compared as it is, `dvc repro` makes it anew" in found["b"]["notes"]
    )
    assert found["b"]["commit"] == ""
