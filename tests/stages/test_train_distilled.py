"""The distilled net learns what the folds' nets say, not what the labels say."""

import json
import shutil

import folded as folded_run

from sonotrace.tables import read_table


def test_it_learns_the_answers_and_not_the_labels(folded, tmp_path):
    """Answers that name one class for all are learnt, whatever the labels are."""
    assert json.loads((folded / "metrics/planes_distilled_validation.json").read_text())["accuracy"] > 0.9
    shutil.copytree(folded, tmp_path / "again")
    path = tmp_path / "again/data/planes/ensemble/predictions.csv"
    table = read_table(path)
    for name in ("abdomen", "brain", "femur", "thorax"):
        table[name] = 0.97 if name == "thorax" else 0.01
    table.to_csv(path, index=False)
    folded_run.run(tmp_path / "again", "train_distilled", "planes")
    val = table[table["side"] == "val"]
    accuracy = json.loads((tmp_path / "again/metrics/planes_distilled_validation.json").read_text())["accuracy"]
    assert accuracy == round(float((val["label"] == "thorax").mean()), 4)
