"""Models are scored on the same bytes, against the same truth, as evaluate scores them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from states import EVALUATION, PARAMETERS, noisy, row, rows, tables

from sonotrace.compare.comparison import compare
from sonotrace.compare.images import images_of, joined
from sonotrace.compare.mapping import mapping
from sonotrace.compare.models import Model
from sonotrace.compare.page import page
from sonotrace.compare.revisions import both
from sonotrace.compare.settings import Settings
from sonotrace.compare.structures import pair
from sonotrace.params.evaluate import EvaluateStructures
from sonotrace.scores import planes as plane_scores
from sonotrace.scores import structures as structure_scores


def _planes(project, before, after, **more):
    project.state("a", tables("planes", before), **more)
    project.state("b", tables("planes", after), **more)
    return _compared(project)


def _compared(project, a="a", b="b"):
    """Return a comparison, and data set -> its part."""
    comparison, _ = compare(a, b, project.top)
    return comparison, {one.name: one for one in comparison.data_sets}


def _common(project, before, after):
    return _planes(project, before, after)[1]["planes"].scores.common


def test_scores_on_common_images_are_those_of_evaluate(project):
    before, after = noisy(rows(24), 1, 0.2), noisy(rows(24), 2, 0.5)
    common = _common(project, before, after)
    for side, images in (("a", before), ("b", after)):
        predictions = tables("planes", images)["data/planes/evaluate/predictions.csv"]
        headline, _ = plane_scores.metrics(predictions, predictions, predictions[:0], EVALUATION)
        for name, score in common.scores.items():
            assert getattr(score, side) == pytest.approx(headline[name], abs=1e-4)
    assert (common.images, common.patients, common.relabelled) == (24, 12, 0)


def test_tables_of_before_images_could_be_refused_are_compared_with_those_of_today(project):
    before, after = noisy(rows(24), 1, 0.2), noisy(rows(24), 2, 0.5)
    old, new = tables("planes", before), tables("planes", after)
    expected = _common(project, before, after).scores
    path = "data/planes/evaluate/predictions.csv"
    new[path] = new[path].assign(scope=np.where(new[path].index % 2, 1.5, np.nan), in_scope="true")
    project.state("a", old)
    project.state("b", new)
    found = _compared(project)[1]["planes"].scores.common.scores
    assert {name: (score.a, score.b, score.verdict) for name, score in found.items()} == {
        name: (score.a, score.b, score.verdict) for name, score in expected.items()
    }


def test_only_the_same_bytes_on_both_test_sides_are_common(project):
    before = [*rows(12), row(12), row(13, side="train"), row(14, content="first"), row(16)]
    after = [*rows(12), row(13), row(12, side="val"), row(14, content="second"), row(16, image="Patient00008_renamed")]
    common = _common(project, before, after)
    assert common.images == 13


def test_the_newer_label_is_true_for_both(project):
    before = rows(12)
    relabelled = [row(number, label="brain") if number % 4 == 0 else row(number) for number in range(12)]
    common = _common(project, before, relabelled)
    assert common.relabelled == 3
    assert common.scores["accuracy"].a == common.scores["accuracy"].b == 0.75
    assert common.same_predictions


def test_a_plane_that_a_model_does_not_know_is_wrong_from_it(project):
    before = rows(12)
    after = [*rows(10), *(row(number, label="cervix", predicted="cervix") for number in (10, 11))]
    common = _common(project, before, after)
    assert common.scores["accuracy"].a == pytest.approx(10 / 12, abs=1e-4)
    assert common.scores["accuracy"].b == 1


def test_a_much_worse_model_is_named_and_the_way_back_is_better(project):
    images = rows(80)
    comparison, parts = _planes(project, images, noisy(images, 3, 0.6), metrics=True)
    assert comparison.worse == ["planes macro_f1"]
    assert parts["planes"].scores.common.sentence("macro_f1").startswith("macro_f1: worse, by 0.")
    back, back_parts = _compared(project, "b", "a")
    assert back.worse == []
    assert back_parts["planes"].scores.common.scores["macro_f1"].verdict == "better"
    full = parts["planes"].scores.full
    assert (full.images_a, full.patients_b) == (80, 40)
    assert full.scores["in_scope"].difference == 0
    for name, score in full.scores.items():
        assert (score.low < score.difference < score.high) == (name != "in_scope")


def _with_folds(images):
    """Make the tables of a state whose folds' nets were asked about these images; the first four are the test side."""
    given = [image | {"side": "test" if number < 4 else "train"} for number, image in enumerate(images)]
    asked = tables("planes", images)["data/planes/evaluate/predictions.csv"]
    sides = ["test" if number < 4 else "train" for number in range(len(images))]
    folds = ["0" if number < 4 else str(1 + number // 2 % 2) for number in range(len(images))]
    return tables("planes", given) | {"data/planes/ensemble/predictions.csv": asked.assign(side=sides, fold=folds)}


def test_folds_of_both_states_are_paired_and_decide_nothing(project):
    project.state("a", _with_folds(rows(80)))
    project.state("b", _with_folds([*rows(4), *noisy(rows(80)[4:], 3, 0.6)]))
    comparison, parts = _compared(project)
    folds = parts["planes"].scores.folds
    assert (folds.images, folds.patients) == (76, 38)
    right = folds.scores["loss"].a
    assert right < -np.log(0.7) - 0.05  # all are right with 0.7, so calibrated on the other fold they are surer
    assert folds.scores["macro_f1"].verdict == "worse"
    assert comparison.worse == []
    assert mapping(comparison)["scores"]["planes"]["folds"]["scores"]["macro_f1"]["verdict"] == "worse"
    assert "over all folds: 76 images of 38 patients" in page(comparison)


def test_folds_of_one_state_alone_are_not_compared_and_are_no_gap(project):
    project.state("a", tables("planes", rows(8)))
    project.state("b", _with_folds(rows(80)))
    comparison, parts = _compared(project)
    assert parts["planes"].scores.folds is None
    assert [note for state in (comparison.a, comparison.b) for note in state.notes if "ensemble" in note] == []


def test_a_little_worse_on_few_patients_is_not_distinguishable(project):
    after = [row(0, predicted="thorax"), *rows(24)[1:]]
    comparison, parts = _planes(project, rows(24), after)
    common = parts["planes"].scores.common
    assert common.sentence("macro_f1") == "macro_f1: not distinguishable with 12 patients"
    assert common.scores["macro_f1"].value < 0
    assert comparison.worse == []


def test_a_state_against_itself_differs_in_nothing(project):
    project.state("a", tables("planes", noisy(rows(12), 1, 0.3)), metrics=True)
    comparison, images = compare("a", "a", project.top)
    assert images.empty
    assert comparison.settings == Settings(parameters=[], code=[], libraries=[], snapshots=[])
    scores = comparison.data_sets[0].scores
    assert {score.value for score in scores.common.scores.values()} == {0}
    assert {score.difference for score in scores.full.scores.values()} == {0}


REMOTE = "['remote \"store\"']\n    url = /srv/store\n"


def _lose_predictions(project, state):
    """Remove a state's table of predictions from DVC's cache."""
    lock = yaml.safe_load(project.git("show", f"{state}:dvc.lock"))
    md5 = lock["stages"]["evaluate@planes"]["outs"][0]["md5"]
    (project.top / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).unlink()


def test_what_cannot_be_compared_is_noted_and_the_rest_is(project):
    project.state("a", tables("planes", rows(12)), metrics=True)
    project.state("b", tables("planes", noisy(rows(12), 1, 0.4)), metrics=True)
    _lose_predictions(project, "a")
    comparison, parts = _compared(project)
    assert parts["planes"].scores.common == "predictions or image tables cannot be read; the notes say which"
    assert parts["planes"].scores.full.scores["accuracy"].difference < 0
    assert parts["planes"].data.images.a == 12
    missing = "not in this clone: data/planes/evaluate/predictions.csv"
    assert [note.startswith(missing) for note in comparison.a.notes].count(True) == 1
    assert not any(note.startswith("not in this clone") for note in comparison.b.notes)


@pytest.mark.parametrize(
    ("config", "remedy"),
    [
        ("", "no DVC remote is configured, so they are only where this state was run; there, `dvc remote add "),
        (REMOTE, "`dvc fetch --all-commits` fetches them, or `dvc exp pull` for"),
    ],
)
def test_what_is_not_here_is_fetched_only_from_a_remote_that_exists(project, config, remedy):
    project.state("a", tables("planes", rows(12)))
    project.state("b", tables("planes", noisy(rows(12), 1, 0.4)))
    _lose_predictions(project, "a")
    (project.top / ".dvc/config").write_text(config)
    note = next(note for note in _compared(project)[0].a.notes if note.startswith("not in this clone"))
    assert remedy in note
    assert ("fetch" in note) == bool(config)


def test_a_missing_table_of_the_workspace_is_restored_at_the_least_cost(project):
    project.state("a", tables("planes", noisy(rows(12), 1, 0.4)))
    path = project.top / "data/planes/evaluate/predictions.csv"
    path.unlink()
    said = f"{path.relative_to(project.top)} is missing; "
    assert f"{said}`dvc checkout` restores it" in _compared(project, "a", "workspace")[0].b.notes
    _lose_predictions(project, "a")
    assert f"{said}`dvc repro` makes it" in _compared(project, "a", "workspace")[0].b.notes
    (project.top / ".dvc/config").write_text(REMOTE)
    notes = _compared(project, "a", "workspace")[0].b.notes
    assert f"{said}`dvc pull` fetches it, or `dvc repro` makes it again" in notes


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
    revisions = both("a", "b", project.top)
    table = joined(*(images_of(revision, "structures") for revision in revisions))
    path = "data/structures/evaluate/predictions.csv"
    paired = pair(table, *(Model("structures", revision, revision.table(path)) for revision in revisions))
    return paired.score, paired.same


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
        headline, _ = structure_scores.metrics(
            predictions,
            test,
            made["data/structures/prepare/boxes.csv"],
            EvaluateStructures(**EVALUATION.model_dump(), confidence=0.25),
        )
        scored = _scores(score, model)
        for name in ("map50", "map50_95", "precision", "recall", "f1"):
            assert scored[name] == pytest.approx(headline[name], abs=1e-4)
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
    assert _scores(score, 0) == pytest.approx(_scores(score, 1), nan_ok=True)
    unmoved, _ = _pair(project, fitted, _heads(1))
    assert _scores(unmoved, 0)["map50"] < _scores(unmoved, 1)["map50"]


def _with_folds_of_heads(seeds):
    """Make the tables of a state whose folds' detectors, one for each seed, were asked about twelve heads."""
    found = [tables("structures", _heads(seed))["data/structures/evaluate/predictions.csv"] for seed in seeds]
    asked = [table.assign(fold=1, seed=at) for at, table in enumerate(found, 1)]
    learnt = [image | {"side": "train"} for image in _heads(1)]
    together = pd.concat(asked, ignore_index=True)
    return tables("structures", learnt) | {"data/structures/evaluate_folds/predictions.csv": together}


def test_detectors_of_folds_are_paired_by_those_of_the_first_seed(project):
    for name, seeds in (("a", (1, 3)), ("b", (2, 1))):
        project.state(name, _with_folds_of_heads(seeds), parameters=PARAMETERS)
    folds = _compared(project)[1]["structures"].scores.folds
    assert (folds.images, folds.patients) == (12, 6)
    expected = _pair(project, _heads(1), _heads(2))[0]
    for model, side in enumerate("ab"):
        of_test = _scores(expected, model)
        for name in ("map50", "map50_95", "recall_at_1_false_box"):
            assert getattr(folds.scores[name], side) == pytest.approx(of_test[name], abs=1e-4)


def test_a_head_that_one_model_was_trained_on_is_not_common(project):
    heads = _heads(1)[:4]
    project.state("a", tables("structures", [heads[0] | {"side": "train"}, *heads[1:]]))
    project.state("b", tables("structures", heads))
    common = _compared(project)[1]["structures"].scores.common
    assert (common.images, common.same_predictions) == (3, True)


def test_a_state_without_the_parameters_of_its_boxes_is_named_and_the_rest_is_compared(project):
    project.state("a", tables("structures", _heads(1)), parameters={"evaluate": PARAMETERS["evaluate"]})
    project.state("b", tables("structures", _heads(2)))
    structures = _compared(project)[1]["structures"]
    missing = "params.yaml at a: prepare.structures.width is missing; compare a state that has it"
    assert structures.scores.common == missing
    assert structures.data.images.b == 12


def test_no_patient_is_named_except_in_the_list(project):
    before = [row(number, patient=f"secret{number}") for number in range(6)]
    after = [row(0, patient="secret0", label="thorax", side="train"), *before[2:], row(9, patient="secret9")]
    project.state("a", tables("planes", before))
    project.state("b", tables("planes", after))
    comparison, images = compare("a", "b", project.top)
    for told in (json.dumps(mapping(comparison)), page(comparison)):
        assert "secret" not in told
        assert "Patient0" not in told
    listed = set(images["patient_before"].dropna()) | set(images["patient_after"].dropna())
    assert listed == {"secret0", "secret1", "secret9"}


def test_the_workspace_is_compared_as_it_is(project):
    project.state("a", tables("planes", rows(12)))
    path = Path("data/planes/evaluate/predictions.csv")
    worse = tables("planes", noisy(rows(12), 1, 0.9))[path.as_posix()]
    worse.to_csv(project.top / path, index=False)
    comparison, parts = _compared(project, "a", "workspace")
    assert parts["planes"].scores.common.scores["accuracy"].value < 0
    note = f"{path} is not what dvc.lock records; compared as it is, `dvc repro` makes it again"
    assert note in comparison.b.notes
    assert comparison.b.commit == ""


def _with_kinds(**kinds):
    sections = {
        "pull": {name: {"kind": kind} for name, kind in kinds.items()},
        "prepare": {"heads": PARAMETERS["prepare"]["structures"]},
        "evaluate": {"heads": PARAMETERS["evaluate"]["structures"]},
    }
    return PARAMETERS | sections


@pytest.mark.parametrize(
    ("name", "kind", "images", "primary", "classes"),
    [
        ("clinic", "planes", noisy(rows(12), 1, 0.3), "macro_f1", ["abdomen", "brain", "femur", "thorax"]),
        ("heads", "structures", _heads(1), "map50", ["CSP", "MIDLINE_FALX"]),
    ],
)
def test_a_data_set_of_any_name_is_compared_by_its_kind(project, name, kind, images, primary, classes):
    parameters = _with_kinds(**{name: kind})
    relabelled = [images[0] | {"label": "thorax", "boxes": [CSP]}, *images[1:]]
    project.state("a", tables(name, images, kind=kind), parameters=parameters)
    project.state("b", tables(name, relabelled, kind=kind), parameters=parameters)
    comparison, parts = _compared(project)
    assert list(parts) == [name]
    assert parts[name].scores.primary == primary
    assert primary in parts[name].scores.common.scores
    assert parts[name].data.images.changes["relabelled"] == 1
    assert [group.name for group in parts[name].data.groups["class"]] == classes
    assert not any("data/" in note for note in comparison.a.notes + comparison.b.notes)


def test_a_data_set_that_only_one_state_has_is_named_and_needs_no_notes(project):
    project.state("a", tables("planes", rows(12)))
    both_sets = tables("planes", rows(12)), tables("clinic", rows(12), kind="planes")
    project.state("b", *both_sets, parameters=_with_kinds(clinic="planes"))
    for states, where in ((("a", "b"), "B"), (("b", "a"), "A")):
        comparison, parts = _compared(project, *states)
        assert parts["clinic"].data == parts["clinic"].scores.common == f"only {where} has this data set"
        assert parts["planes"].scores.common.images == 12
        assert not any("clinic" in note for note in comparison.a.notes + comparison.b.notes if "snapshot" not in note)


def test_a_data_set_of_another_kind_is_not_compared(project):
    project.state("a", tables("clinic", rows(12), kind="planes"), parameters=_with_kinds(clinic="planes"))
    project.state("b", tables("clinic", _heads(1), kind="structures"), parameters=_with_kinds(clinic="structures"))
    comparison, parts = _compared(project)
    assert parts["clinic"].scores.common == "it has planes in A and structures in B"
    assert comparison.worse == []
