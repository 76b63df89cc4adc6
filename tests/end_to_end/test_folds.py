"""Folds are stages: Snakemake trains them, DVC knows what it ran, and without folds no stage of theirs runs."""

import json

from checkouts import Checkout, stages_run


def test_folds_run_by_snakemake_are_up_to_date_for_dvc_and_go_as_they_came(by_dvc: Checkout) -> None:
    path = by_dvc.path / "params.yaml"
    shipped = path.read_text()
    with_folds = shipped.replace("\n  data_sets: [] ", "\n  data_sets: [planes] ").replace("[1, 2, 3, 4, 5]", "[1, 2]")
    path.write_text(with_folds)
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
