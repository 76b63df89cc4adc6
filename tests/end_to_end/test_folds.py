"""Folds are stages: Snakemake trains them, here or on a cluster, DVC knows what it ran, and without folds none runs."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from checkouts import TOP, Checkout, stages_run
from slurm import WHY_NOT, Cluster, cluster


def _use_folds(checkout: Checkout) -> str:
    """Ask for two folds of the planes; return params.yaml as it was."""
    path = checkout.path / "params.yaml"
    shipped = path.read_text()
    path.write_text(
        shipped.replace("\n  data_sets: [] ", "\n  data_sets: [planes] ").replace("[1, 2, 3, 4, 5]", "[1, 2]")
    )
    return shipped


def test_folds_run_by_snakemake_are_up_to_date_for_dvc_and_go_as_they_came(by_dvc: Checkout) -> None:
    path = by_dvc.path / "params.yaml"
    shipped = _use_folds(by_dvc)
    with_folds = path.read_text()
    by_dvc.run("snakemake", "--cores", "2")
    assert by_dvc.run("dvc", "status").strip() == "Data and pipelines are up to date."
    runs = ["planes-1-1", "planes-2-1"]
    assert sorted(file.name for file in (by_dvc.path / "logs").glob("train_cnn_fold*")) == [
        f"train_cnn_fold_{run}.log" for run in runs
    ]
    headline = json.loads((by_dvc.path / "metrics/planes_folds.json").read_text())
    assert set(headline["accuracy_by_fold"]) == {"1", "2"}
    by_dvc.commit("With folds")
    assert by_dvc.run("git", "status", "--short") == ""
    said = by_dvc.run("sonotrace", "lineage", "models/planes_ensemble.keras")
    assert all(f"\ntrain_cnn_fold@{run}\n" in said for run in runs)
    assert "pull@planes" in said
    path.write_text(with_folds.replace("models/planes.keras", "models/planes_distilled.keras"))
    rerun = ["evaluate@planes", "export_onnx@planes", "gather@planes", "report"]
    assert sorted(stages_run(by_dvc.run("dvc", "repro"))) == rerun
    path.write_text(shipped)
    assert not {"train_cnn_fold", "train_ensemble", "train_distilled"} & {
        stage.partition("@")[0] for stage in stages_run(by_dvc.run("dvc", "repro"))
    }
    assert by_dvc.run("dvc", "status").strip() == "Data and pipelines are up to date."


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "there")
def test_slurm_ends_in_the_same_hashes_though_a_job_is_cancelled_and_a_node_goes_down(
    by_dvc: Checkout, finished: Checkout, tmp_path: Path
) -> None:
    here = yaml.safe_load(by_dvc.run("git", "show", "HEAD:dvc.lock"))["stages"]
    plugin = _plugin(tmp_path / "plugin")
    checkout = finished.copy(tmp_path)
    _use_folds(checkout)
    with cluster(tmp_path / "slurm") as slurm:
        first = _snakemake(checkout, slurm, plugin)
        slurm.run("scancel", _one_running(slurm, first))
        printed, _ = first.communicate(timeout=300)
        assert first.returncode == 1, printed
        assert "CANCELLED" in printed

        again = _snakemake(checkout, slurm, plugin)
        _one_running(slurm, again)
        slurm.run("scontrol", "update", f"nodename={slurm.node}", "state=down", "reason=test")
        assert "RUNNING" not in slurm.jobs().values()
        slurm.run("scontrol", "update", f"nodename={slurm.node}", "state=resume")
        printed, _ = again.communicate(timeout=600)
        assert again.returncode == 1, printed
        assert "NODE_FAIL" in printed

        last = _snakemake(checkout, slurm, plugin)
        printed, _ = last.communicate(timeout=600)
        assert last.returncode == 0, printed
    assert checkout.run("dvc", "status", "train_ensemble@planes").strip() == "Data and pipelines are up to date."
    there = yaml.safe_load((checkout.path / "dvc.lock").read_text())["stages"]
    for stage in ("augment@planes", "train_cnn_fold@planes-1-1", "train_cnn_fold@planes-2-1", "train_ensemble@planes"):
        assert there[stage]["outs"] == here[stage]["outs"], stage


def _plugin(into: Path) -> Path:
    """Install what `make slurm` installs into a folder of its own."""
    lock = TOP / "requirements-slurm.lock"
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--target", str(into), "--requirement", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the Slurm plugin cannot be installed: {done.stderr[-300:]}")
    return into


def _snakemake(checkout: Checkout, slurm: Cluster, plugin: Path) -> "subprocess.Popen[str]":
    """Start a run on the cluster, where a job is not put back into the queue: Slurm would take two minutes to do so."""
    command = ["snakemake", "train_ensemble_planes", "--workflow-profile", "workflow/profiles/slurm"]
    command += ["--slurm-init-seconds-before-status-checks", "1", "--slurm-no-requeue"]
    return subprocess.Popen(
        [*slurm.inside(checkout.path), *command],
        env=checkout.environment() | {"PYTHONPATH": str(plugin)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _one_running(slurm: Cluster, process: "subprocess.Popen[str]") -> str:
    """Wait until a job runs, and return its number."""
    while process.poll() is None:
        for job, state in slurm.jobs().items():
            if state == "RUNNING":
                return job
        time.sleep(0.2)
    raise AssertionError(process.communicate()[0])
