"""YOLOv8 exports: a box carries the name of its structure, whatever the export's class order."""

import math

import pytest
import yaml

from sonotrace.errors import SonotraceError
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.labels import structures


def read_snapshot(folder):
    return structures.read_snapshot(folder, {}, "structures").entries


OTHER_ORDER = ["MIDLINE_FALX", "CHOROID_PLEXUS", "CSP"]


def _export(folder, labels, names=OTHER_ORDER, ending=".jpg"):
    """Lay out an export: labels maps `side/name` to the lines of its label file, None for no file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.yaml").write_text(yaml.safe_dump({"names": names, "nc": len(names)}, sort_keys=False))
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
def test_a_malformed_line_is_a_box_without_corners(tmp_path, line):
    found = _export(tmp_path, {"train/a": f"1 .5 .5 .2 .2\n\n{line}\n"})
    good, bad = found["a"].boxes
    assert good.structure == "CHOROID_PLEXUS"
    assert all(math.isnan(value) for value in (bad.x0, bad.y0, bad.x1, bad.y1))


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
    with pytest.raises(
        SonotraceError, match=rf"{count} files data\.yaml and no COCO \.json below it; it must hold one"
    ):
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
