"""Parameters, code, libraries and snapshots that differ are named; a state that is not there is one line."""

import json

import pytest
import yaml
from states import PARAMETERS, rows, tables

from sonotrace.compare import words
from sonotrace.compare.comparison import compare
from sonotrace.compare.revisions import both
from sonotrace.compare.settings import Change, differences
from sonotrace.errors import SonotraceError


def test_parameters_that_differ_have_both_values(project):
    other = json.loads(json.dumps(PARAMETERS))
    other["evaluate"]["structures"] = {"confidence": 0.5, "seed": 1}
    del other["prepare"]["structures"]["aspect"]
    project.state("a")
    project.state("b", parameters=other)
    assert differences(*both("a", "b", project.top)).parameters == [
        Change("evaluate.structures.confidence", 0.25, 0.5),
        Change("evaluate.structures.seed", None, 1),
        Change("prepare.structures.aspect", "stretch", None),
    ]


def test_code_that_differs_names_the_stages_that_depend_on_it(project):
    code = {"src/sonotrace/labels/coco.py": "1", "src/sonotrace/cli.py": "1", "dvc.yaml": "stages: {}"}
    project.state("a", files=code)
    lock = {"stages": {"pull@planes": {"cmd": "pull", "deps": [{"path": "src/sonotrace/labels", "md5": "0.dir"}]}}}
    project.state("b", files={name: f"{text} " for name, text in code.items()} | {"dvc.lock": yaml.safe_dump(lock)})
    code = differences(*both("a", "b", project.top)).code
    assert [(change.key, change.stages) for change in code] == [
        ("dvc.yaml", ()),
        ("src/sonotrace/cli.py", ()),
        ("src/sonotrace/labels/coco.py", ("pull@planes",)),
    ]
    assert both("b", "workspace", project.top)[0].code == both("b", "workspace", project.top)[1].code


LOCK = "numpy==1.0 ; python_full_version < '3.12' \\\n    --hash=sha256:{hash}\nnumpy=={newer} \\\nrich==1.0\n"


def test_libraries_and_snapshots_that_differ_are_named(project):
    for state, hashed, newer, images in (("a", 1, "2.0", 3), ("b", 2, "2.1", 4)):
        snapshot = json.dumps({"source": "incoming", "images": images})
        files = {
            "requirements.lock": LOCK.format(hash=hashed, newer=newer),
            "reports/planes/snapshot.json": snapshot,
        }
        project.state(state, tables("planes", rows(4)), files=files)
    settings = differences(*both("a", "b", project.top))
    assert settings.libraries == [Change("numpy", "1.0, 2.0", "1.0, 2.1")]
    assert settings.snapshots == [Change("planes.images", 3, 4)]


def test_labels_that_a_review_corrected_are_named_with_the_review(project):
    first, second = ({}, {"corrections": {"A. Lovelace, 2026-11-26": "2 relabelled"}})
    for state, facts in (("a", first), ("b", second)):
        report = json.dumps({"source": "incoming", "images": 3} | facts)
        project.state(state, tables("planes", rows(4)), files={"reports/planes/snapshot.json": report})
    (change,) = differences(*both("a", "b", project.top)).snapshots
    assert change == Change("planes.corrections.A. Lovelace, 2026-11-26", None, "2 relabelled")


def test_a_state_that_is_not_there_is_one_line_with_a_remedy(project):
    project.state("a")
    with pytest.raises(SonotraceError, match=r"^v9: no commit, branch, tag or experiment .*`dvc exp list") as caught:
        both("a", "v9", project.top)
    assert "\n" not in str(caught.value)
    assert "fetch" not in str(caught.value)
    project.git("remote", "add", "origin", "nowhere")
    with pytest.raises(SonotraceError, match=r"^v9: .*`git fetch --tags` and `dvc exp pull` fetch those"):
        both("a", "v9", project.top)


def test_experiments_are_known_by_name_and_two_of_one_name_are_not_guessed(project):
    project.state("a")
    commit = project.git("rev-parse", "a")
    project.git("update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/wiry-gnat", commit)
    assert both("a", "wiry-gnat", project.top)[1].commit == commit
    project.state("b")
    other = project.git("rev-parse", "b")
    project.git("update-ref", f"refs/exps/{other[:2]}/{other[2:]}/wiry-gnat", other)
    with pytest.raises(SonotraceError, match=r"^wiry-gnat: 2 experiments have this name; use one of the ids"):
        both("a", "wiry-gnat", project.top)


def test_outputs_made_with_other_parameters_or_code_are_named(project):
    lock = {
        "stages": {
            "fits": {"cmd": "x", "params": {"params.yaml": {"evaluate.structures.confidence": 0.25}}},
            "stale": {"cmd": "x", "params": {"params.yaml": {"evaluate.structures.confidence": 0.9}}},
            "other": {"cmd": "x", "deps": [{"path": "src/a.py", "md5": "0"}]},
        }
    }
    project.state("a", files={"dvc.lock": yaml.safe_dump(lock), "src/a.py": "1"})
    one, other = both("a", "workspace", project.top)
    assert one.outdated() == other.outdated()
    assert "made with other parameters or code than this state has: other, stale; run `dvc repro`" in one.outdated()


def test_a_broken_table_is_noted_and_not_compared(project):
    project.state("a", tables("planes", rows(4)))
    (project.top / "data/planes/split/split.csv").write_text('"a,b\n1')
    _, other = both("a", "workspace", project.top)
    assert other.table("data/planes/split/split.csv") is None
    assert any("split.csv is not a table" in note for note in other.notes)


@pytest.mark.parametrize("content", ["a: 2001-99-99\n", "[" * 100_000])
def test_parameters_that_yaml_cannot_read_are_noted(project, content):
    project.state("a", files={"params.yaml": content})
    one, _ = both("a", "workspace", project.top)
    assert one.parameters == {}
    assert any("params.yaml is not valid YAML" in note for note in one.notes)


def _split_by_data_set(parameters):
    """Put each parameter of a training below the name of its data set."""
    data_sets = {"train_cnn": "planes", "train_yolo": "structures"}
    return {name: {data_sets[name]: part} if name in data_sets else part for name, part in parameters.items()}


def _across_the_move(project):
    """Commit a state as it was before stages were declared per data set, and one after; code is moved too."""
    before = PARAMETERS | {"pull": {"planes": {"source": "phantom"}, "structures": {"source": "phantom"}}}
    before |= {"train_cnn": {"epochs": 12, "batch": 16, "net": {"depth": 3}}, "train_yolo": {"epochs": 5}}
    after = json.loads(json.dumps(_split_by_data_set(before)))
    for name in ("planes", "structures"):
        after["pull"][name]["kind"] = name
    after["train_cnn"]["planes"]["batch"] = 32
    module = "".join(f"def f{number}():\n    return {number}\n" for number in range(10))
    data = tables("planes", rows(4)), tables("structures", rows(4))
    old = {
        "src/sonotrace/grey.py": module,
        "src/sonotrace/names.py": f"import a\n{module}",
        "src/sonotrace/cli.py": "x",
    }
    project.state("old", *data, parameters=before, files=old)
    for path in old:
        (project.top / path).unlink()
    new = {"src/sonotrace/images/grey.py": module, "src/sonotrace/kinds/planes.py": f"import b\n{module}"}
    project.state("new", *data, parameters=after, files=new | {"src/sonotrace/cli.py": "y"})


def test_parameters_that_got_the_name_of_their_data_set_are_renamed_not_gone_and_new(project):
    _across_the_move(project)
    assert differences(*both("old", "new", project.top)).parameters == [
        Change("train_cnn.planes.batch", 16, 32, was="train_cnn.batch"),
        Change("train_cnn.planes.epochs", 12, 12, was="train_cnn.epochs"),
        Change("train_cnn.planes.net.depth", 3, 3, was="train_cnn.net.depth"),
        Change("train_yolo.structures.epochs", 5, 5, was="train_yolo.epochs"),
    ]
    assert differences(*both("new", "old", project.top)).parameters == [
        Change("train_cnn.batch", 32, 16, was="train_cnn.planes.batch"),
        Change("train_cnn.epochs", 12, 12, was="train_cnn.planes.epochs"),
        Change("train_cnn.net.depth", 3, 3, was="train_cnn.planes.net.depth"),
        Change("train_yolo.epochs", 5, 5, was="train_yolo.structures.epochs"),
    ]


def test_moved_files_are_paired_with_what_they_were(project):
    _across_the_move(project)
    code = differences(*both("old", "new", project.top)).code
    assert [(change.key, change.was, change.a == change.b) for change in code] == [
        ("src/sonotrace/cli.py", "", False),
        ("src/sonotrace/images/grey.py", "src/sonotrace/grey.py", True),
        ("src/sonotrace/kinds/planes.py", "src/sonotrace/names.py", False),
    ]


def test_a_move_is_summed_up_in_a_few_lines(project):
    _across_the_move(project)
    section = words.sections(compare("old", "new", project.top)[0])[-1]
    assert section.sentences[:4] == [
        "Parameters: 1 changed, 3 renamed.",
        "Code: 1 changed, 2 moved.",
        "Libraries: no difference.",
        "Snapshots: no difference.",
    ]
    cnn, yolo = "train_cnn.* is now train_cnn.planes.* (2)", "train_yolo.* is now train_yolo.structures.* (1)"
    assert section.sentences[4] == f"Same values under other keys: {cnn}, {yolo}."
    assert {table.title: list(table.rows) for table in section.tables} == {
        "parameters": [("train_cnn.planes.batch (A: train_cnn.batch)", "16", "32")],
        "code": [("other files: 1 (see --json)", "1 changed", "none")],
        "moved code; * also edited": [
            ("src/sonotrace", "src/sonotrace/images", "grey.py"),
            ("src/sonotrace", "src/sonotrace/kinds", "names.py as planes.py*"),
        ],
    }


def test_a_moved_file_has_the_stages_that_depended_on_it_before_or_depend_on_it_now(project):
    for state, stage, path in (("a", "pull@planes", "src/old"), ("b", "split@planes", "src/new")):
        lock = {"stages": {stage: {"cmd": "x", "deps": [{"path": path, "md5": "0.dir"}]}}}
        project.state(state, files={"dvc.lock": yaml.safe_dump(lock), f"{path}/a.py": "text"})
        (project.top / path / "a.py").unlink()
    (change,) = differences(*both("a", "b", project.top)).code
    assert (change.was, change.stages) == ("src/old/a.py", ("pull@planes", "split@planes"))


def test_only_code_that_can_change_an_output_is_listed(project):
    lock = {"stages": {"pull@planes": {"cmd": "pull", "deps": [{"path": "src/labels", "md5": "0.dir"}]}}}
    for state in ("a", "b"):
        paths = ("dvc.yaml", "src/labels/coco.py", "src/cli.py", "src/page.py", f"src/{state}.py")
        project.state(state, files={path: f"{path} {state}" for path in paths} | {"dvc.lock": yaml.safe_dump(lock)})
    (project.top / "src/a.py").unlink()
    project.state("b")
    project.write("dvc.lock", yaml.safe_dump(lock))
    (table,) = words.sections(compare("a", "workspace", project.top)[0])[-1].tables
    assert list(table.rows) == [
        ("dvc.yaml", "changed", "defines them all"),
        ("src/labels/coco.py", "changed", "pull@planes"),
        ("other files: 4 (see --json)", "2 changed, 1 new, 1 gone", "none"),
    ]


def test_a_training_that_was_split_by_data_set_is_not_named_twice(project):
    for state, stage, text in (("a", "train_cnn", "1"), ("b", "train_cnn@planes", "2")):
        lock = {"stages": {stage: {"cmd": "train", "deps": [{"path": "src/net.py", "md5": text}]}}}
        project.state(state, files={"dvc.lock": yaml.safe_dump(lock), "src/net.py": text})
    (change,) = differences(*both("a", "b", project.top)).code
    assert change.stages == ("train_cnn@planes",)
