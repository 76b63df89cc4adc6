"""Copies of training images, seeded image by image."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import yaml
from packed import packed

from sonotrace.images.copies import Original, copied_boxes, copy_images, open_cache, originals
from sonotrace.images.packs import copy_name, stored_in
from sonotrace.params.augment import AugmentOne
from sonotrace.running.outputs import write_csv, write_json
from sonotrace.stages.augment import run
from sonotrace.tables import CORNERS, read_table

WIDTH, HEIGHT = 64, 48


def _picture(image):
    seed = sum(map(ord, image))
    return np.random.default_rng(seed).integers(1, 256, (HEIGHT, WIDTH), dtype=np.uint8)


def _sha256(image):
    return hashlib.sha256(image.encode()).hexdigest()


@pytest.fixture
def prepared(work, set_param):
    """Lay out split.csv, prepared images and boxes; rows are image -> (side, source image)."""

    set_param("prepare.structures", {"width": WIDTH, "height": HEIGHT, "aspect": "stretch", "mask_overlays": False})

    def lay_out(rows):
        table = pd.DataFrame(
            [(image, _sha256(image), side, source) for image, (side, source) in rows.items()],
            columns=["image", "sha256", "side", "source_image"],
        )
        write_csv(table, work / "data/structures/split/split.csv")
        for image in rows:
            packed(work / "data/structures/prepare/images", {image: _picture(image)}, image)
        write_json({"augmentation": {}}, work / "reports/structures/snapshot.json")
        boxes = [(image, "CSP", 20.0, 15.0, 40.0, 35.0) for image in rows]
        write_csv(
            pd.DataFrame(boxes, columns=["image", "structure", *CORNERS]), work / "data/structures/prepare/boxes.csv"
        )

    return lay_out


def _outputs(work):
    out = work / "data/structures/augment"
    copies = read_table(out / "copies.csv")
    assert {path.name for path in (out / "images").iterdir()} == {f"{image}.zip" for image in copies["image"]}
    images = {copy: part.read().tobytes() for copy, part in stored_in(out / "images").items()}
    assert set(images) == set(copies["copy"])
    return images, copies, read_table(out / "boxes.csv")


ROWS = {"a": ("train", ""), "b": ("val", ""), "c": ("train", ""), "d": ("test", "")}


def test_only_training_images_are_copied(work, prepared):
    prepared(ROWS)
    run("structures")
    images, copies, boxes = _outputs(work)
    assert set(images) == {f"{image}/{copy}" for image in "ac" for copy in (1, 2, 3)}
    assert dict(zip(copies["copy"], copies["image"], strict=True)) == {name: name[0] for name in images}
    assert set(boxes["image"]) == set(images)
    assert list(boxes.columns) == ["image", "structure", *CORNERS]
    assert set(boxes["structure"]) == {"CSP"}


def test_copies_differ_from_the_original_and_from_each_other(work, prepared):
    prepared(ROWS)
    run("structures")
    pictures = [_picture("a")]
    copies = stored_in(work / "data/structures/augment/images")
    pictures += [copies[f"a/{copy}"].read() for copy in (1, 2, 3)]
    assert len({picture.tobytes() for picture in pictures}) == 4
    assert all(picture.shape == (HEIGHT, WIDTH) for picture in pictures)


def test_two_runs_give_the_same_bytes(work, prepared):
    prepared(ROWS)
    found = []
    for _ in range(2):
        run("structures")
        out = work / "data/structures/augment"
        found.append({path: path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert found[0] == found[1]


def test_another_image_and_another_copy_change_no_other(work, prepared, set_param):
    prepared(ROWS)
    run("structures")
    before, _, boxes_before = _outputs(work)
    prepared(ROWS | {"0": ("train", ""), "bb": ("train", "")})
    set_param("augment.structures.copies", 4)
    run("structures")
    after, _, boxes = _outputs(work)
    assert len(after) == 16
    assert before.items() <= after.items()
    same = boxes[boxes["image"].isin(boxes_before["image"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, boxes_before)


def test_another_name_gives_the_same_copies(work, prepared):
    prepared(ROWS)
    run("structures")
    before, *_ = _outputs(work)
    at = work / "data/structures"
    (at / "prepare/images/a.zip").unlink()
    packed(at / "prepare/images", {"z": _picture("a")}, "z")
    for name in ("split/split.csv", "prepare/boxes.csv"):
        content = (at / name).read_text()
        (at / name).write_text(content.replace("\na,", "\nz,"))
    run("structures")
    after, *_ = _outputs(work)
    assert after == {name.replace("a/", "z/"): picture for name, picture in before.items()}


def test_another_seed_gives_other_copies(work, prepared, set_param):
    prepared(ROWS)
    run("structures")
    before, *_ = _outputs(work)
    set_param("augment.structures.seed", 2)
    run("structures")
    after, *_ = _outputs(work)
    assert all(before[name] != after[name] for name in before)


def test_zero_copies_leave_empty_tables(work, prepared, set_param):
    prepared(ROWS)
    set_param("augment.structures.copies", 0)
    run("structures")
    images, copies, boxes = _outputs(work)
    assert not images
    assert copies.empty
    assert boxes.empty
    assert (list(copies.columns), list(boxes.columns)) == (["copy", "image"], ["image", "structure", *CORNERS])


def test_sources_that_come_as_several_copies_are_not_augmented_again(work, prepared, capsys):
    prepared(
        {
            "s.rf.1": ("train", "s"),
            "s.rf.2": ("train", "s"),
            "t.rf.1": ("train", "t"),
            "u.rf.1": ("val", "u"),
            "plain": ("train", ""),
            "other": ("train", ""),
        }
    )
    table = read_table(work / "data/structures/split/split.csv")
    boxes = read_table(work / "data/structures/prepare/boxes.csv")
    assert [original.image for original in originals(table, False, boxes)] == ["other", "plain", "t.rf.1"]

    run("structures")
    assert set(_outputs(work)[1]["image"]) == {"other", "plain", "t.rf.1"}
    assert "2 are augmented copies already" in capsys.readouterr().out


def test_boxes_move_with_their_copy(tmp_path):
    flip = {"copies": 1, "seed": 1, "rotation": [0, 0], "flip": 1, "policy": "limits", "min_visible": 0.3}
    params = AugmentOne(**dict.fromkeys(set(AugmentOne.model_fields) - set(flip), 0), **flip)
    prepared = packed(tmp_path / "prepared", {"a": _picture("a")})
    beyond, within = ("a", "MIDLINE_FALX", 70.0, 5.0, 80.0, 25.0), ("a", "CSP", 4.0, 5.0, 14.0, 25.0)
    boxes = pd.DataFrame([beyond, within], columns=["image", "structure", *CORNERS])
    original = Original("a", "0", list(boxes["structure"]), boxes[CORNERS].to_numpy())
    with open_cache(params, tmp_path) as cache:
        assert list(copy_images([original], params, prepared, tmp_path, cache)) == [True]
    assert copied_boxes(original, params, WIDTH, HEIGHT) == [("a/1", "CSP", WIDTH - 14, 5, WIDTH - 4, 25)]
    assert (stored_in(tmp_path)["a/1"].read() == _picture("a")[:, ::-1]).all()
    assert boxes["image"].tolist() == ["a", "a"]


def test_a_copy_out_of_view_keeps_its_image_and_loses_its_box(work, prepared, set_param):
    settings = yaml.safe_load((work / "params.yaml").read_text())["augment"]["structures"]
    set_param("augment.structures", settings | {"min_visible": 1.0, "zoom": 0.5, "shift": 0.5, "copies": 30})
    prepared({"a": ("train", "")})
    run("structures")
    images, copies, boxes = _outputs(work)
    assert len(images) == len(copies) == 30
    assert 0 < len(boxes) < 30


def test_copies_are_named_after_their_image():
    assert copy_name("Patient1_Plane2_1_of_2", 3) == "Patient1_Plane2_1_of_2/3"


def test_of_a_snapshot_augmented_before_no_training_image_is_augmented_again(work, prepared):
    prepared(ROWS)
    table = read_table(work / "data/structures/split/split.csv").assign(official_split=["train", "val", "val", "train"])
    write_csv(table, work / "data/structures/split/split.csv")
    write_json({"augmentation": {"notes": ["blur"]}}, work / "reports/structures/snapshot.json")
    run("structures")
    assert {image.split("/")[0] for image in _outputs(work)[0]} == {"c"}


def test_what_was_recovered_from_copies_is_augmented(work, prepared):
    prepared({"a": ("train", "a"), "b.rf.1": ("train", "b")})
    table = read_table(work / "data/structures/split/split.csv").assign(official_split="train")
    write_csv(table, work / "data/structures/split/split.csv")
    write_json({"augmentation": {"notes": ["rotation"]}}, work / "reports/structures/snapshot.json")
    run("structures")
    assert {image.split("/")[0] for image in _outputs(work)[0]} == {"a"}
