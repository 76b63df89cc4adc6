"""A fold's detector is asked about those it has not seen, and about nobody else."""

import shutil

import folded
import folded_boxes

from sonotrace.tables import FOUND_BOX_COLUMNS, read_table


def test_each_fold_s_detector_is_asked_about_images_of_its_own_fold_alone(folded_structures):
    split = read_table(folded_structures / "data/structures/split/split.csv")
    learnt = split[split["side"] != "test"].set_index("image")["patient"]
    asked = set()
    for fold in (1, 2):
        found = read_table(folded_structures / f"data/structures/folds/{fold}-1/predictions.csv")
        assert list(found.columns) == list(FOUND_BOX_COLUMNS)
        assert {folded_boxes.fold(learnt[image]) for image in found["image"]} == {fold}
        asked |= set(found["image"])
    assert asked <= set(learnt.index)
    assert len(asked) > 10


def test_the_same_fold_and_seed_give_the_same_bytes(folded_structures, tmp_path):
    top = shutil.copytree(folded_structures, tmp_path / "again")
    names = ("models/folds/structures/1-1.pt", "data/structures/folds/1-1/predictions.csv")
    for name in names:
        (top / name).unlink()
    printed = folded.run(top, "train_yolo_fold", "structures", "1", "1")
    assert "train_yolo_fold: fold 1, seed 1: yolov8n.yaml, " in printed
    assert "train_yolo_fold: fold 1, seed 1: epoch 2/2: loss " in printed
    for name in names:
        assert (top / name).read_bytes() == (folded_structures / name).read_bytes()
    assert not list((top / "data/structures").glob("train_yolo_fold*"))
