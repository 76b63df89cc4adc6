"""A fold's net is asked about those it has not seen, and about nobody else."""

import shutil

import folded as folded_run
import yaml

from sonotrace.patients.folds import fold_of
from sonotrace.running.outputs import write_csv
from sonotrace.tables import read_table


def test_each_patient_is_asked_about_by_the_one_net_that_has_not_seen_them(folded):
    split = read_table(folded / "data/planes/split/split.csv")
    tables = {fold: read_table(folded / f"data/planes/folds/{fold}-1/predictions.csv") for fold in (1, 2)}
    test = set(split[split["side"] == "test"]["image"])
    held_out = {fold: set(table[table["side"] != "test"]["image"]) for fold, table in tables.items()}
    assert held_out[1] | held_out[2] == set(split["image"]) - test
    assert not held_out[1] & held_out[2]
    for fold, table in tables.items():
        assert set(table[table["side"] == "test"]["image"]) == test
        own = table[table["side"] != "test"]
        assert {fold_of(patient, "planes-2", 2) for patient in own["patient"]} == {fold}
        assert set(own["fold"].astype(int)) == {fold}


def test_the_same_fold_and_seed_give_the_same_bytes_and_another_seed_others(folded, tmp_path):
    shutil.copytree(folded, tmp_path / "again")
    names = ("models/folds/planes/1-{}.keras", "data/planes/folds/1-{}/predictions.csv")
    for name in names:
        (tmp_path / "again" / name.format(1)).unlink()
    for seed in ("1", "2"):
        folded_run.run(tmp_path / "again", "train_cnn_fold", "planes", "1", seed)
    for name in names:
        before = (folded / name.format(1)).read_bytes()
        assert (tmp_path / "again" / name.format(1)).read_bytes() == before
        assert (tmp_path / "again" / name.format(2)).read_bytes() != before


def test_a_fold_by_scanner_leaves_out_one_scanner_and_says_which(folded, tmp_path):
    top = shutil.copytree(folded, tmp_path / "by scanner")
    params = yaml.safe_load((top / "params.yaml").read_text())
    params["folds"]["by"] = "scanner"
    params["train_cnn"]["planes"]["epochs"] = 1
    (top / "params.yaml").write_text(yaml.safe_dump(params))
    split = read_table(top / "data/planes/split/split.csv")
    split["scanner"] = ["Aloka" if int(patient) % 3 == 0 else "Voluson" for patient in split["patient"]]
    write_csv(split, top / "data/planes/split/split.csv")
    printed = folded_run.run(top, "train_cnn_fold", "planes", "2", "1")
    assert "fold 2, seed 1, without scanner Voluson: published net" in printed
    found = read_table(top / "data/planes/folds/2-1/predictions.csv")
    learnt = split[split["side"] != "test"]
    assert set(found["image"][found["side"] != "test"]) == set(learnt["image"][learnt["scanner"] == "Voluson"])
