"""The graph states what each stage depends on, and one name runs through a stage's files."""

import ast
import csv
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from dvc.dependency import ParamsDependency
from dvc.repo import Repo

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "sonotrace"
GRAPH = yaml.safe_load((ROOT / "dvc.yaml").read_text())
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())

CANNOT_CHANGE_OUTPUTS = {
    "sonotrace": "holds the version, and what users call from Python, which no stage does",
    "sonotrace.__main__": "calls the command line",
    "sonotrace.cli": "calls the stage",
    "sonotrace.documents": "refuses a document, or returns what the libraries read from it",
    "sonotrace.errors": "ends a run",
    "sonotrace.running.progress": "prints",
    "sonotrace.running.writable": "stops an engine before it begins, and runs in no stage",
    "sonotrace.running.parallel": "keeps the order, so results do not depend on it",
    "sonotrace.running.outputs": "writes what it is given; its form is fixed by tests of its own",
    "sonotrace.running.start": "says where the tools keep their state",
    "sonotrace.running.private": "keeps other users out of it",
    "sonotrace.running.snakemake_lock": "removes the lock of a Snakemake that was killed",
    "sonotrace.running.recovery": "mends what a kill left before anything runs",
    "sonotrace.places": "says where things stand; a changed place changes the graph too",
    "sonotrace.scores.table": "prints",
}


PACKAGES_THAT_CANNOT_CHANGE_OUTPUTS = {"sonotrace.params": "checks values that the graph tracks one by one"}


def _module(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in PACKAGE.rglob("*.py")}
LEFT_OUT = set(CANNOT_CHANGE_OUTPUTS) | {
    module
    for module in MODULES
    for package in PACKAGES_THAT_CANNOT_CHANGE_OUTPUTS
    if module == package or module.startswith(f"{package}.")
}


def _imports(module):
    """Return the modules of the package that `module` imports, at the top or inside a function."""
    found = set()
    if module in ("sonotrace", "sonotrace.running.writable"):  # what those import, no stage runs
        return found
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    if module == "sonotrace.stages.pull":
        found |= {
            name for name in MODULES if name.startswith("sonotrace.sources")
        }  # imported by the name in the parameters
    packages = {".".join(name.split(".")[:depth]) for name in found for depth in range(2, name.count(".") + 1)}
    return (found | packages) & set(MODULES)


def _reached(module):
    seen, left = set(), [module]
    while left:
        current = left.pop()
        if current not in seen:
            seen.add(current)
            left.extend(_imports(current))
    return {module for module in seen if _has_code(module)} - LEFT_OUT


def _has_code(module):
    return any(not isinstance(node, ast.Expr) for node in ast.parse(MODULES[module].read_text()).body)


ASKED_FOR = {
    "prepare_shard": ["planes-1", "planes-2"],
    "augment_shard": ["planes-1", "planes-2"],
    "train_cnn_fold": ["planes-1-1", "planes-2-1"],
    "train_ensemble": ["planes"],
    "train_distilled": ["planes"],
    "train_yolo_fold": ["structures-1-1", "structures-2-1"],
    "evaluate_folds": ["structures"],
}
"""Stages that the sections `folds` and `shards` ask for -> what they run for in these tests."""
NUMBERED = {"{run}": ["1-1", "2-1"], "{shard}": ["1", "2"]}
"""What an output's path is numbered by -> those of these tests."""
GATHERING = {"gather": "evaluate", "gather_scope": "evaluate_scope"}
"""Stages without a section of their own -> the section whose data sets they run for."""
WHOLE = ("report",)
"""Stages that run once, for all data sets."""


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """Return name -> stage, with two folds of both data sets and two shards of the planes; none of them is shipped."""
    found = {stage.addressing: stage for stage in Repo(str(ROOT)).index.stages if stage.cmd}
    assert len(found) == 19
    top = tmp_path_factory.mktemp("graph")
    shutil.copyfile(ROOT / "dvc.yaml", top / "dvc.yaml")
    folds = {"data_sets": ["planes"], "box_data_sets": ["structures"], "numbers": [1, 2], "seeds": [1]}
    shards = {"prepare": ["planes"], "augment": ["planes"], "numbers": [1, 2]}
    (top / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"folds": folds, "shards": shards}))
    found = {stage.name: stage for stage in Repo.init(str(top), no_scm=True).index.stages if stage.cmd}
    assert len(found) == 30
    return found


STAGES = [
    name if name in WHOLE else f"{name}@{item}"
    for name in GRAPH["stages"]
    for item in ([""] if name in WHOLE else ASKED_FOR.get(name) or PARAMS[GATHERING.get(name, name)])
]


def _dependencies(stage):
    paths = [ROOT / dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)]
    return {module for module, file in MODULES.items() if any(file == path or path in file.parents for path in paths)}


@pytest.mark.parametrize("name", STAGES)
def test_every_module_that_a_stage_reaches_is_among_its_dependencies(stages, name):
    module = f"sonotrace.stages.{name.split('@')[0]}"
    needed = _reached(module)
    assert needed - _dependencies(stages[name]) == set()


@pytest.mark.parametrize("name", STAGES)
def test_every_module_among_the_dependencies_is_reached(stages, name):
    module = f"sonotrace.stages.{name.split('@')[0]}"
    listed = {module for module in _dependencies(stages[name]) if _has_code(module)}
    assert listed - _reached(module) - LEFT_OUT == set()


@pytest.mark.parametrize("name", [name for name in GRAPH["stages"] if PARAMS.get(GATHERING.get(name, name)) == {}])
def test_a_stage_without_a_data_set_yet_states_the_modules_that_it_reaches_too(name):
    paths = [ROOT / path for path in GRAPH["stages"][name]["do"]["deps"] if path.startswith("src/")]
    assert all(path.exists() for path in paths)
    listed = {module for module, file in MODULES.items() if any(path in (file, *file.parents) for path in paths)}
    needed = _reached(f"sonotrace.stages.{name}")
    assert needed - listed == set()
    assert {module for module in listed if _has_code(module)} - needed - LEFT_OUT == set()


def test_what_the_page_is_made_of_besides_code_is_among_the_dependencies_of_the_report(stages):
    made_of = {path for path in (PACKAGE / "report").iterdir() if path.suffix not in (".py", "")}
    assert len(made_of) == 4
    assert made_of <= {ROOT / dep.def_path for dep in stages["report"].deps if not isinstance(dep, ParamsDependency)}


def test_what_is_left_out_exists():
    assert set(CANNOT_CHANGE_OUTPUTS) <= set(MODULES)
    assert set(PACKAGES_THAT_CANNOT_CHANGE_OUTPUTS) <= set(MODULES)


def _written_out(name):
    stage = GRAPH["stages"][name]
    return stage.get("do", stage)


@pytest.mark.parametrize("name", GRAPH["stages"])
def test_every_stage_says_what_it_does_and_what_it_needs(name):
    stage = _written_out(name)
    assert stage["desc"]
    assert stage["cmd"].startswith(f"PYTHONPATH=src python -m sonotrace {name}")
    assert stage["meta"]["threads"] >= 1
    assert {"mem_mb", "runtime"} <= set(stage["meta"])


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_depends_on_its_own_parameters(stages, name):
    keys = [key for dep in stages[name].deps if isinstance(dep, ParamsDependency) for key in dep.params]
    stage = name.partition("@")[0]
    own = {"train_cnn_fold": "folds.numbers", "train_ensemble": "folds", "train_distilled": "train_cnn.planes"}
    own |= {"train_yolo_fold": "folds.numbers", "evaluate_folds": "folds"}
    own |= {"prepare_shard": "prepare.planes", "augment_shard": "augment.planes"}
    own |= dict.fromkeys(GATHERING, "report.patients")
    assert own.get(stage, name.replace("@", ".")) in keys


def test_inputs_are_outputs_of_stages_before(stages):
    made = {}
    for name, stage in stages.items():
        for out in stage.outs:
            assert out.def_path not in made, f"{out.def_path} is made twice"
            made[out.def_path] = name
    for name, stage in stages.items():
        for dep in stage.deps:
            if isinstance(dep, ParamsDependency) or dep.def_path.startswith("src/"):
                continue
            if name.startswith("split@") and dep.def_path == "data/patient-key.json":
                continue
            below = [other for path, other in made.items() if Path(dep.def_path) in Path(path).parents]
            if below:
                assert all(STAGES.index(other) < STAGES.index(name) for other in below)
            elif name.startswith("pull@"):
                assert Path(dep.def_path).parts[1] in {"phantom", "incoming", "corrections.csv", "withdrawn.csv"}
            else:
                assert STAGES.index(made[dep.def_path]) < STAGES.index(name)


def test_git_leaves_alone_what_dvc_has_in_its_cache(stages):
    paths = sorted(out.def_path for stage in stages.values() for out in stage.outs if out.use_cache)
    told = subprocess.run(
        ["git", "check-ignore", "--no-index", *paths], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert set(told.stdout.splitlines()) >= {path for path in paths if path.startswith(("data/", "models/"))}


def test_what_persists_is_kept_in_git(stages):
    persisting = [out for stage in stages.values() for out in stage.outs if out.persist]
    assert [out.def_path for out in persisting] == [
        "reports/planes/test_patients.csv",
        "reports/structures/test_patients.csv",
    ]
    assert not any(out.use_cache for out in persisting)


def test_one_name_runs_through_the_files_of_a_stage():
    stages = list(GRAPH["stages"])
    sections = [stage for stage in stages if stage not in {*ASKED_FOR, *GATHERING}]
    assert sections == [section for section in PARAMS if section not in ("folds", "shards")]
    assert sorted(stages) == sorted(path.stem for path in (PACKAGE / "stages").glob("*.py") if path.stem != "__init__")
    assert sorted(stages) == sorted(path.stem[5:] for path in (ROOT / "tests" / "stages").glob("test_*.py"))


def _data_sets(stage):
    if stage in ASKED_FOR:
        return [ASKED_FOR[stage][0].partition("-")[0]]
    return ["planes"] if stage in WHOLE else PARAMS[GATHERING.get(stage, stage)]


def test_the_table_of_artifacts_lists_each_output_with_its_stage(stages):
    with (ROOT / "workflow" / "artifacts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["artifact", "stage", "unit", "key", "what"]
    listed = [
        tuple(row[key].format(data_set=data_set, run=run, shard=run) for key in ("stage", "artifact"))
        for row in rows
        for stage in [row["stage"].partition("@")[0]]
        for data_set in _data_sets(stage)
        for run in next((runs for name, runs in NUMBERED.items() if name in row["artifact"]), [""])
    ]
    assert len(listed) == len(set(listed))
    assert set(listed) == {(name, out.def_path) for name, stage in stages.items() for out in stage.outs}
    for row in rows:
        assert row["unit"], row["artifact"]
        assert row["what"], row["artifact"]
