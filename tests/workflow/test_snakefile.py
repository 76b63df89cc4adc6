"""Snakemake reads the graph the same way from both places, and only its main process asks DVC and writes."""

import re
import tomllib
from pathlib import Path

import pytest
from checkouts import Checkout, clone, stages_run

ROOT = Path(__file__).parents[2]
READ_WITHOUT_DVC_STATUS = """
import sys
from dvc.repo import Repo

def status(*_, **__):
    raise SystemExit("DVC was asked")

Repo.status = status
from snakemake.cli import main

main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return clone(tmp_path_factory.mktemp("snakemake"))


@pytest.mark.parametrize("mode", ["subprocess", "remote"])
def test_a_job_reads_the_rules_without_asking_dvc_and_writes_no_mark(checkout: Checkout, mode: str) -> None:
    command = ("python", "-c", READ_WITHOUT_DVC_STATUS, "--list-rules", "--cores", "1", "--mode", mode)
    assert "pull_planes" in checkout.run(*command)
    assert not (checkout.path / ".sonotrace/outdated").exists()


def test_the_main_process_asks_dvc(checkout: Checkout) -> None:
    command = ("python", "-c", READ_WITHOUT_DVC_STATUS, "--list-rules", "--cores", "1")
    assert "DVC was asked" in checkout.run(*command, fails=True)


def test_both_snakefiles_plan_every_stage_with_the_profile(checkout: Checkout) -> None:
    planned = []
    for chosen in ([], ["--snakefile", "workflow/Snakefile"]):
        printed = checkout.run("snakemake", "--dry-run", *chosen)
        assert "profiles/default for setting default command line arguments" in printed
        planned.append(set(re.findall(r"^(\w+) +1$", printed, re.MULTILINE)))
    assert planned[0] == planned[1]
    assert {"all", "pull_planes", "evaluate_structures"} <= planned[0]


def test_a_job_of_a_cluster_runs_its_stage_and_leaves_the_marks_alone(checkout: Checkout) -> None:
    checkout.run("snakemake", "--dry-run")
    marks = {mark: mark.read_text() for mark in (checkout.path / ".sonotrace/outdated").iterdir()}
    job = ("--mode", "remote", "--force", "--nolock", "--ignore-incomplete", "--allowed-rules", "pull_structures")
    printed = checkout.run("snakemake", "--cores", "1", *job, "--", "data/structures/pull/manifest.csv")
    assert stages_run(printed) == ["pull@structures"]
    assert {mark: mark.read_text() for mark in (checkout.path / ".sonotrace/outdated").iterdir()} == marks


def test_a_training_asks_for_a_card_unless_its_parameters_say_cpu(checkout: Checkout) -> None:
    probe = checkout.path / "probe.smk"
    printing = 'print("CARDS", *(rule.name for rule in workflow.rules if "gpu" in dict(rule.resources)))'
    probe.write_text(f'include: "workflow/Snakefile"\n{printing}\n')
    shipped = (checkout.path / "params.yaml").read_text()

    def asking() -> set[str]:
        printed = checkout.run("snakemake", "--snakefile", "probe.smk", "--list-rules")
        return set(re.findall(r"^CARDS (.*)$", printed, re.MULTILINE)[0].split())

    try:
        asked = asking()
        assert {"train_cnn_planes", "train_yolo_structures", "evaluate_planes"} <= asked
        checkout.set_params({"train_cnn.planes.device": "cpu"})
        assert asked - asking() == {"train_cnn_planes"}
    finally:
        (checkout.path / "params.yaml").write_text(shipped)
        probe.unlink()


def test_the_least_version_is_that_of_the_package() -> None:
    (least,) = re.findall(r'min_version\("(.+)"\)', (ROOT / "workflow/Snakefile").read_text())
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["train"]
    assert any(re.match(rf"snakemake>={re.escape(least)},", name) for name in dependencies)
