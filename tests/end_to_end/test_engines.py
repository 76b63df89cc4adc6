"""Both engines run the same graph, agree on what is out of date, and redo no more than that."""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from checkouts import Checkout, clone, stages_run

ALL = 19


def lock_entries(checkout: Checkout) -> dict[str, str]:
    """Return stage -> what dvc.lock holds of it, as text."""
    lock = yaml.safe_load((checkout.path / "dvc.lock").read_text())
    return {stage: yaml.safe_dump(entry, sort_keys=False) for stage, entry in lock["stages"].items()}


def hashes(checkout: Checkout) -> dict[str, str]:
    """Return path -> hash of every output in dvc.lock."""
    lock = yaml.safe_load((checkout.path / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def touch_everything(checkout: Checkout) -> None:
    for name in checkout.run("git", "ls-files").split():
        os.utime(checkout.path / name, follow_symlinks=False)
    for path in (checkout.path / "data").rglob("*"):
        path.touch()


def assert_all_up_to_date(checkout: Checkout) -> None:
    assert "up to date" in checkout.run("dvc", "status")
    assert "Nothing to be done" in checkout.run("snakemake", "--dry-run")


def test_after_dvc_repro_neither_engine_has_work(by_dvc: Checkout) -> None:
    assert len(yaml.safe_load((by_dvc.path / "dvc.lock").read_text())["stages"]) == ALL
    assert_all_up_to_date(by_dvc)


def test_after_snakemake_neither_engine_has_work(by_snakemake: Checkout) -> None:
    assert len(yaml.safe_load((by_snakemake.path / "dvc.lock").read_text())["stages"]) == ALL
    assert_all_up_to_date(by_snakemake)


def test_both_engines_make_the_same_bytes(by_dvc: Checkout, by_snakemake: Checkout) -> None:
    assert hashes(by_dvc) == hashes(by_snakemake)
    assert lock_entries(by_dvc) == lock_entries(by_snakemake)
    for data_set in ("planes", "structures"):  # outputs that persist, which Snakemake does not know
        ledger = f"reports/{data_set}/test_patients.csv"
        assert (by_dvc.path / ledger).read_bytes() == (by_snakemake.path / ledger).read_bytes()


def test_nothing_is_written_into_the_home_folder(finished: Checkout, by_dvc: Checkout, by_snakemake: Checkout) -> None:
    for checkout in (finished, by_dvc, by_snakemake):
        assert [path for path in checkout.home.rglob("*") if path.is_file()] == []


def test_a_comment_or_a_touched_file_makes_no_engine_work(by_dvc: Checkout) -> None:
    params = by_dvc.path / "params.yaml"
    params.write_text(params.read_text() + "# a comment\n")
    touch_everything(by_dvc)
    assert_all_up_to_date(by_dvc)
    assert stages_run(by_dvc.run("dvc", "repro")) == []
    assert stages_run(by_dvc.run("snakemake", "--cores", "2")) == []


def test_dvc_checkout_on_a_clone_without_snakemake_state_needs_no_work(by_dvc: Checkout, tmp_path: Path) -> None:
    other = Checkout(tmp_path / "other", tmp_path / "home")
    other.home.mkdir()
    subprocess.run(["git", "clone", "--quiet", by_dvc.path, other.path], check=True)
    other.run("dvc", "cache", "dir", "--local", str(by_dvc.path / ".dvc/cache"))
    other.run("dvc", "checkout")
    assert_all_up_to_date(other)


@pytest.mark.parametrize("engine", [("dvc", "repro"), ("snakemake", "--cores", "2")])
def test_another_number_of_epochs_reruns_the_training_and_what_follows_only(
    engine: tuple[str, ...], by_dvc: Checkout, by_snakemake: Checkout
) -> None:
    checkout = by_dvc if engine[0] == "dvc" else by_snakemake
    checkout.set_params({"train_cnn.planes.epochs": 2})
    printed = checkout.run(*engine)
    assert sorted(stages_run(printed)) == [
        "evaluate@planes",
        "export_onnx@planes",
        "gather@planes",
        "report",
        "train_cnn@planes",
    ]
    assert_all_up_to_date(checkout)


@pytest.mark.parametrize("engine", [("dvc", "repro", "pull@planes"), ("snakemake", "--cores", "2", "pull_planes")])
def test_a_killed_stage_leaves_nothing_that_a_rerun_takes_for_whole(
    engine: tuple[str, ...], by_dvc: Checkout, tmp_path: Path
) -> None:
    checkout = clone(tmp_path)
    process = subprocess.Popen(
        engine,
        cwd=checkout.path,
        env=checkout.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    pull = checkout.path / "data/planes/pull"
    deadline = time.monotonic() + 60
    while not list(pull.glob("*.part/images/*.png")):
        assert process.poll() is None, "the stage ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with contextlib.suppress(ProcessLookupError):  # DVC's lock holds while the system still knows the process
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.01)
    assert not (pull / "images").exists()
    printed = checkout.run(*engine)
    assert stages_run(printed) == ["pull@planes"]
    assert ("left its lock; removed" in printed) == (engine[0] == "snakemake")
    assert hashes(checkout)["data/planes/pull/images"] == hashes(by_dvc)["data/planes/pull/images"]
    assert list(pull.glob("*.part")) == []


def test_a_queued_experiment_runs_the_queued_code(tmp_path: Path) -> None:
    checkout = clone(tmp_path)
    checkout.set_params({"split.planes.test_patients_may_move": "true"})
    checkout.run("dvc", "repro", "split@planes")
    checkout.commit("Split")
    before = hashes(checkout)["data/planes/split/split.csv"]
    split = checkout.path / "src/sonotrace/patients/sides.py"
    original = split.read_text()
    changed = original.replace('f"{salt}:{patient}"', 'f"{salt}!{patient}"')
    assert changed != original
    split.write_text(changed)
    checkout.run("dvc", "exp", "run", "--queue", "--name", "queued", "split@planes")
    split.write_text(original)
    checkout.run("dvc", "exp", "run", "--run-all")
    revision = checkout.run("git", "for-each-ref", "--format=%(objectname)", "refs/exps").split()[0]
    lock = yaml.safe_load(checkout.run("git", "show", f"{revision}:dvc.lock"))
    assert lock["stages"]["split@planes"]["outs"][0]["md5"] != before


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"train_cnn.planes.epochs": 0},
            "params.yaml: train_cnn.planes.epochs is 0: input should be greater than or equal to 1",
        ),
        ({"split.planes.use_official": "maybe"}, "params.yaml: split.planes.use_official is 'maybe': "),
        ({"pull.planes.phantom.images": "many"}, "params.yaml: pull.planes.phantom.images is 'many': "),
        ({"shards.prepare": "[plane]"}, "params.yaml: shards.prepare: plane has no part in prepare; remove it there"),
        ({"folds.data_sets": "[plane]"}, "params.yaml: folds.data_sets: plane has no part in train_cnn"),
    ],
)
def test_a_bad_parameter_stops_both_engines_before_work(
    values: dict[str, object], message: str, tmp_path: Path
) -> None:
    checkout = clone(tmp_path)
    checkout.set_params(values)
    for engine in (["dvc", "repro"], ["snakemake", "--cores", "2"]):
        printed = checkout.run(*engine, fails=True)
        assert message in printed
        assert "Traceback" not in printed
        assert not (checkout.path / "dvc.lock").exists()


@pytest.mark.parametrize("engine", [("dvc", "repro"), ("snakemake", "--cores", "2")])
def test_a_bad_parameter_costs_no_output(engine: tuple[str, ...], by_dvc: Checkout) -> None:
    params, images = by_dvc.path / "params.yaml", by_dvc.path / "data/planes/prepare/images"
    shipped, before = params.read_text(), sorted(images.iterdir())
    by_dvc.set_params({"prepare.planes.width": 0})
    assert "params.yaml: prepare.planes.width is 0: " in by_dvc.run(*engine, fails=True)
    assert sorted(images.iterdir()) == before
    params.write_text(shipped)
    assert_all_up_to_date(by_dvc)


def test_snakemake_lint_asks_for_nothing_but_conda_environments(by_snakemake: Checkout) -> None:
    # The Snakefile says why there are none.
    printed = by_snakemake.run("snakemake", "--lint", fails=True)
    asked = {line.strip() for line in printed.splitlines() if line.startswith("    * ")}
    assert asked == {"* Specify a conda environment or container for each rule.:"}


def test_the_report_of_snakemake_shows_scores_and_pictures_and_names_no_patient(by_snakemake: Checkout) -> None:
    by_snakemake.run("snakemake", "--report", "report.html")
    page = (by_snakemake.path / "report.html").read_text()
    (by_snakemake.path / "report.html").unlink()
    assert "<script src" not in page
    assert '"reports/index.html"' in page
    for name in ("confusion", "roc", "pr"):
        assert f'"plots/planes/{name}.svg"' in page
    headline = json.loads((by_snakemake.path / "metrics/planes.json").read_text())
    assert f"<td>{headline['macro_f1']}</td>" in page
    assert "test_patients" not in page
