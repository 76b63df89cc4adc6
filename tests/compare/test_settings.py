"""Parameters, code, libraries and snapshots that differ are named; a state that is not there is one line."""

import json

import pytest
import yaml
from states import PARAMETERS, rows, tables

from sonotrace.compare.revisions import both
from sonotrace.compare.settings import differences
from sonotrace.errors import SonotraceError


def test_parameters_that_differ_have_both_values(project):
    other = json.loads(json.dumps(PARAMETERS))
    other["evaluate"]["structures"] = {"confidence": 0.5, "seed": 1}
    del other["prepare"]["structures"]["aspect"]
    project.state("a")
    project.state("b", parameters=other)
    assert differences(*both("a", "b", project.top))["parameters"] == [
        {"key": "evaluate.structures.confidence", "a": 0.25, "b": 0.5},
        {"key": "evaluate.structures.seed", "a": None, "b": 1},
        {"key": "prepare.structures.aspect", "a": "stretch", "b": None},
    ]


def test_code_that_differs_names_the_stages_that_depend_on_it(project):
    code = {"src/sonotrace/labels/coco.py": "1", "src/sonotrace/cli.py": "1", "dvc.yaml": "stages: {}"}
    project.state("a", files=code)
    lock = {"stages": {"pull@planes": {"cmd": "pull", "deps": [{"path": "src/sonotrace/labels", "md5": "0.dir"}]}}}
    project.state("b", files={name: f"{text} " for name, text in code.items()} | {"dvc.lock": yaml.safe_dump(lock)})
    found = differences(*both("a", "b", project.top))["code"]
    assert [(row["key"], row["stages"]) for row in found] == [
        ("dvc.yaml", []),
        ("src/sonotrace/cli.py", []),
        ("src/sonotrace/labels/coco.py", ["pull@planes"]),
    ]
    assert both("b", "workspace", project.top)[0].code == both("b", "workspace", project.top)[1].code


LOCK = "numpy==1.0 ; python_full_version < '3.12' \\\n    --hash=sha256:{hash}\nnumpy=={newer} \\\nrich==1.0\n"


def test_libraries_and_snapshots_that_differ_are_named(project):
    project.state(
        "a",
        files={
            "requirements.lock": LOCK.format(hash=1, newer="2.0"),
            "reports/planes/snapshot.json": '{"source": "incoming", "images": 3}',
        },
    )
    project.state(
        "b",
        files={
            "requirements.lock": LOCK.format(hash=2, newer="2.1"),
            "reports/planes/snapshot.json": '{"source": "incoming", "images": 4}',
        },
    )
    found = differences(*both("a", "b", project.top))
    assert found["libraries"] == [{"key": "numpy", "a": "1.0, 2.0", "b": "1.0, 2.1"}]
    assert found["snapshots"] == [{"key": "planes.images", "a": 3, "b": 4}]


def test_a_state_that_is_not_there_is_one_line_with_a_remedy(project):
    project.state("a")
    with pytest.raises(SonotraceError, match=r"^v9: no commit, branch, tag or experiment .*`dvc exp pull`") as caught:
        both("a", "v9", project.top)
    assert "\n" not in str(caught.value)


def test_experiments_are_known_by_name_and_two_of_one_name_are_not_guessed(project):
    project.state("a")
    commit = project.git("rev-parse", "a")
    project.git("update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/wiry-gnat", commit)
    assert both("a", "wiry-gnat", project.top)[1].commit == commit
    project.state("b")
    other = project.git("rev-parse", "b")
    project.git("update-ref", f"refs/exps/{other[:2]}/{other[2:]}/wiry-gnat", other)
    with pytest.raises(SonotraceError, match=r"^wiry-gnat: 2 experiments have this name; name one by its id"):
        both("a", "wiry-gnat", project.top)


def test_outputs_made_with_other_parameters_or_code_are_told(project):
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
    assert "made with other parameters or code than stand there: other, stale; `dvc repro`" in one.outdated()


def test_a_broken_table_is_told_and_not_compared(project):
    project.state("a", tables("planes", rows(4)))
    (project.top / "data/planes/split/split.csv").write_text('"a,b\n1')
    _, other = both("a", "workspace", project.top)
    assert other.table("data/planes/split/split.csv") is None
    assert any("split.csv is no table" in note for note in other.notes)
