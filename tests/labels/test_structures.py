"""YOLOv8 exports: a box carries the name of its structure, whatever the export's class order."""

import pytest
import yaml

from sonotrace.errors import SonotraceError
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.labels import structures


def read_snapshot(folder):
    return structures.read_snapshot(folder, {}, "structures").entries


OTHER_ORDER = ["MIDLINE_FALX", "CHOROID_PLEXUS", "CSP"]


def _export(folder, labels, names=OTHER_ORDER, ending=".jpg", **card):
    """Lay out an export: labels maps `side/name` to the lines of its label file, None for no file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.yaml").write_text(yaml.safe_dump({"names": names, "nc": len(names)} | card, sort_keys=False))
    for key, text in labels.items():
        side, name = key.split("/")
        for kind in ("images", "labels"):
            (folder / side / kind).mkdir(parents=True, exist_ok=True)
        (folder / side / "images" / f"{name}{ending}").touch()
        if text is not None:
            (folder / side / "labels" / f"{name}.txt").write_text(text)
    return {entry.image: entry for entry in read_snapshot(folder)}


def _boxes(entry):
    return [(box.structure, *(round(value, 6) for value in (box.x0, box.y0, box.x1, box.y1))) for box in entry.boxes]


@pytest.mark.parametrize(
    "names",
    [OTHER_ORDER, dict(enumerate(OTHER_ORDER)), {2: "CSP", 0: "MIDLINE_FALX", 1: "CHOROID_PLEXUS"}],
    ids=["list", "mapping", "mapping in another order"],
)
def test_class_numbers_are_read_by_the_names_of_the_export(tmp_path, names):
    assert tuple(OTHER_ORDER) != STRUCTURES
    found = _export(tmp_path, {"train/a": "0 .5 .5 .2 .2\n1 .5 .5 .2 .2\n2 .5 .5 .2 .2\n"}, names)
    assert [box.structure for box in found["a"].boxes] == OTHER_ORDER


def test_a_box_is_read_as_its_corners(tmp_path):
    found = _export(tmp_path, {"train/a": "2 0.5 0.4 0.2 0.6\n"})
    assert _boxes(found["a"]) == [("CSP", 0.4, 0.1, 0.6, 0.7)]


def test_a_polygon_is_read_as_its_bounds(tmp_path):
    found = _export(tmp_path, {"train/a": "0 0.1 0.5 0.3 0.2 0.7 0.9 0.4 0.8\n0 .1 .2 .3 .4 .5 .6"})
    assert _boxes(found["a"]) == [("MIDLINE_FALX", 0.1, 0.2, 0.7, 0.9), ("MIDLINE_FALX", 0.1, 0.2, 0.5, 0.6)]


@pytest.mark.parametrize("line", ["0 0.5 0.5 0.1", "0 .1 .2 .3 .4 .5 .6 .7", "0 a b c d", "0", "brain .5 .5 .1 .1"])
def test_a_line_that_proves_nothing_refuses_the_labels_of_its_image(tmp_path, line):
    found = _export(tmp_path, {"train/a": f"1 .5 .5 .2 .2\n\n{line}\n", "train/b": "1 .5 .5 .2 .2\n"})
    assert found["a"].boxes == []
    assert found["a"].refused.startswith("unreadable box: line 3 of its label file ")
    assert (len(found["b"].boxes), found["b"].refused) == (1, "")


KEYPOINTS = "2 0.5 0.4 0.2 0.6 0.5 0.5 2 0.6 0.6 1\n"


def test_the_keypoints_that_data_yaml_states_are_left_out(tmp_path):
    found = _export(tmp_path, {"train/a": KEYPOINTS, "train/b": "2 0.5 0.4 0.2 0.6\n"}, kpt_shape=[2, 3])
    assert _boxes(found["a"]) == _boxes(found["b"]) == [("CSP", 0.4, 0.1, 0.6, 0.7)]


@pytest.mark.parametrize("shape", [[2, 2], [3, 3]])
def test_lines_of_another_length_than_data_yaml_states_are_refused(tmp_path, shape):
    found = _export(tmp_path, {"train/a": KEYPOINTS}, kpt_shape=shape)
    assert "has 11 values, not the" in found["a"].refused


@pytest.mark.parametrize("shape", [[2], "2", [2, "x"], [True, 2], [-1, 2]])
def test_an_unusable_kpt_shape_is_named(tmp_path, shape):
    with pytest.raises(SonotraceError, match=r"data\.yaml: kpt_shape is .*, not \[points"):
        _export(tmp_path, {"train/a": ""}, kpt_shape=shape)


@pytest.mark.parametrize("number", [0, 1, 7])
def test_a_line_of_a_tracker_is_not_taken_for_a_triangle(tmp_path, number):
    found = _export(tmp_path, {"train/a": f"2 0.5 0.4 0.2 0.6 0.91 {number}\n"})
    assert (found["a"].boxes, "may be a tracked box" in found["a"].refused) == ([], True)


def test_another_number_of_classes_than_names_is_an_error(tmp_path):
    with pytest.raises(SonotraceError, match=r"data\.yaml: nc is 4, but there are 3 names"):
        _export(tmp_path, {"train/a": ""}, nc=4)


def test_equal_boxes_of_an_image_count_once_and_are_noted(tmp_path):
    line, other = "0 .5 .5 .2 .2\n", "1 .5 .5 .2 .2\n"
    assert len(_export(tmp_path, {"train/a": line + other + line + line, "train/b": line})["a"].boxes) == 2
    notes = structures.read_snapshot(tmp_path, {}, "structures").notes
    assert notes == ("repeated boxes count once: 2 left out (images: 1)",)


def test_an_image_outside_the_export_is_listed_without_labels(tmp_path):
    _export(tmp_path / "export", {"train/a": ""})
    (tmp_path / "labels").mkdir()
    (tmp_path / "stray.png").touch()
    found = {entry.image: entry for entry in read_snapshot(tmp_path)}
    assert (found["stray"].file, found["stray"].labelled_by) == (tmp_path / "stray.png", "")


def test_names_in_another_unicode_form_are_the_same(tmp_path):
    _export(tmp_path, {"train/Mu\u0308ller": None})
    (tmp_path / "train/labels/M\u00fcller.txt").write_text("0 .5 .5 .2 .2\n")
    (entry,) = read_snapshot(tmp_path)
    assert (entry.image, len(entry.boxes)) == ("M\u00fcller", 1)


@pytest.mark.parametrize("number", ["3", "-1", "0.5", "nan", "inf"])
def test_a_class_that_the_export_does_not_name_keeps_its_number(tmp_path, number):
    found = _export(tmp_path, {"train/a": f"{number} .5 .5 .2 .2\n"})
    assert [box.structure for box in found["a"].boxes] == [f"class {number}"]


@pytest.mark.parametrize(("folder", "side"), [("train", "train"), ("valid", "val"), ("val", "val"), ("test", "test")])
def test_the_folder_gives_the_official_side(tmp_path, folder, side):
    found = _export(tmp_path / "test", {f"{folder}/a": "", "images/b": ""})
    assert found["a"].official_split == side
    assert found["b"].official_split == ""


def test_an_export_without_a_test_side_is_read(tmp_path):
    found = _export(tmp_path, {"train/a": "", "valid/b": ""})
    assert {entry.official_split for entry in found.values()} == {"train", "val"}


def test_a_copy_made_by_roboflow_names_its_source(tmp_path):
    found = _export(tmp_path, {"train/001_HC_png.rf.0123abcd": "", "train/plain": ""})
    assert found["001_HC_png.rf.0123abcd"].source_image == "001_HC_png"
    assert found["001_HC_png.rf.0123abcd"].labelled_by == "train/labels/001_HC_png.rf.0123abcd.txt"
    assert found["plain"].source_image == ""


def test_an_empty_label_file_says_that_nothing_is_there_and_no_file_that_nobody_looked(tmp_path):
    found = _export(tmp_path, {"train/empty": "", "train/missing": None})
    assert (found["empty"].labelled_by, found["empty"].boxes) == ("train/labels/empty.txt", [])
    assert (found["missing"].labelled_by, found["missing"].boxes) == ("", [])


def test_a_label_file_without_image_is_listed(tmp_path):
    _export(tmp_path, {"train/a": ""})
    (tmp_path / "train/labels/gone.txt").write_text("0 .5 .5 .2 .2\n")
    (tmp_path / "README.roboflow.txt").touch()
    found = {entry.image: entry for entry in read_snapshot(tmp_path)}
    assert set(found) == {"a", "gone"}
    assert found["gone"].file is None
    assert (found["gone"].labelled_by, found["gone"].official_split) == ("train/labels/gone.txt", "train")


def test_the_export_may_lie_in_a_folder_of_its_own(tmp_path):
    found = _export(tmp_path / "HC18.v1i.yolov8", {"train/a": "0 .5 .5 .2 .2"})
    assert {entry.image: entry for entry in read_snapshot(tmp_path)} == found


@pytest.mark.parametrize("count", [0, 2])
def test_there_must_be_one_export(tmp_path, count):
    for number in range(count):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "data.yaml").touch()
    (tmp_path / "notes.json").write_text('{"images": []}')
    found = rf"{count} files data\.yaml or classes\.txt or obj\.names and no COCO \.json below it"
    with pytest.raises(SonotraceError, match=f"{found}; it must hold one"):
        read_snapshot(tmp_path)


def test_labels_of_two_kinds_are_an_error(tmp_path):
    _export(tmp_path / "export", {"train/a": ""})
    (tmp_path / "all.json").write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(
        SonotraceError, match=r"labels in export/data\.yaml \(YOLOv8\) and all\.json \(COCO\); keep one"
    ):
        read_snapshot(tmp_path)


def test_other_json_beside_a_yolo_export_is_left_alone(tmp_path):
    (tmp_path / "settings.json").write_text("{ // comment")
    (tmp_path / "notes.json").write_text("[1]")
    assert set(_export(tmp_path, {"train/a": ""})) == {"a"}


@pytest.mark.parametrize("content", ["", "nc: 3", "names: 3", "names: {1: a, 2: b}", "[a", "names: [", "- a"])
def test_a_data_yaml_without_names_is_named(tmp_path, content):
    (tmp_path / "data.yaml").write_text(content)
    with pytest.raises(SonotraceError, match=r"data\.yaml: no usable list of class names"):
        read_snapshot(tmp_path)


def test_a_single_word_is_no_list_of_class_names(tmp_path):
    (tmp_path / "data.yaml").write_text("names: CSP\n")
    with pytest.raises(SonotraceError, match=r"data\.yaml: no usable list of class names"):
        read_snapshot(tmp_path)


@pytest.mark.parametrize(
    ("names", "image", "label"),
    [
        ("classes.txt", "images/ab12-7.png", "labels/ab12-7.txt"),  # Label Studio
        ("obj.names", "obj_train_data/7.png", "obj_train_data/7.txt"),  # CVAT, YOLO 1.1
        ("obj.names", "obj_Validation_data/site/7.png", "obj_Validation_data/site/7.txt"),
    ],
)
def test_a_list_of_classes_stands_in_for_data_yaml(tmp_path, names, image, label):
    for path, content in ((names, "\n".join(OTHER_ORDER) + "\n"), (image, ""), (label, "2 .5 .4 .2 .6\n")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    (tmp_path / "train.txt").write_text(f"data/{image}\n")
    (tmp_path / "notes.json").write_text("{}")
    listing = structures.read_snapshot(tmp_path, {}, "structures")
    (entry,) = listing.entries
    assert _boxes(entry) == [("CSP", 0.4, 0.1, 0.6, 0.7)]
    assert (entry.labelled_by, entry.official_split) == (label, "")
    assert listing.label_files == {tmp_path / names, tmp_path / label}


def test_a_data_yaml_counts_before_a_list_of_classes(tmp_path):
    (tmp_path / "classes.txt").write_text("A\nB\nC\n")
    found = _export(tmp_path, {"train/a": "2 .5 .4 .2 .6\n"})
    assert [box.structure for box in found["a"].boxes] == ["CSP"]


def test_a_rotated_box_is_read_as_the_bounds_of_its_corners(tmp_path):
    found = _export(tmp_path, {"train/a": "2 0.5 0.2 0.7 0.4 0.5 0.6 0.3 0.4\n"})
    assert _boxes(found["a"]) == [("CSP", 0.3, 0.2, 0.7, 0.6)]


BOMB = (
    "a0: &a0 [1, 1]\n"
    + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9))
    + "names: *a9\n"
)


@pytest.mark.parametrize(
    "card",
    [
        "names: [CSP]\ndate: 2001-99-99\n",
        "names: [CSP]\nnc: !!int ''\n",
        "names: !!timestamp x\n",
        "[" * 50_000,
        BOMB,
    ],
    ids=["an impossible date", "no number", "no time", "too deep", "aliases without measure"],
)
def test_a_card_that_yaml_cannot_read_is_an_error_that_names_it(tmp_path, card):
    (tmp_path / "data.yaml").write_text(card)
    with pytest.raises(SonotraceError, match=r"data\.yaml: no usable list of class names"):
        read_snapshot(tmp_path)


def test_a_folder_named_like_a_card_or_a_class_list_is_ignored(tmp_path):
    for folder in ("x/data.yaml", "classes.txt"):
        (tmp_path / folder).mkdir(parents=True)
    entries = _export(tmp_path, {"train/a": "2 0.5 0.5 0.2 0.2\n"})
    assert entries["a"].boxes[0].structure == "CSP"


def test_a_folder_named_like_a_label_file_quarantines_its_image(tmp_path):
    (tmp_path / "train/labels/b.txt").mkdir(parents=True)
    entries = _export(tmp_path, {"train/a": "2 0.5 0.5 0.2 0.2\n", "train/b": None})
    assert entries["a"].refused == ""
    assert entries["b"].refused == "unreadable box: its label file is a folder; export again"
