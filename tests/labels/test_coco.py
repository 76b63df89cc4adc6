"""COCO JSON: the same boxes as YOLOv8 gives, and nothing taken from a row that cannot be trusted."""

import json
import math

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.errors import SonotraceError
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.labels import structures


def read_snapshot(folder):
    return structures.read_snapshot(folder, {}, "structures").entries


CATEGORIES = [
    {"id": 0, "name": "brain-structures", "supercategory": "none"},
    {"id": 1, "name": "MIDLINE_FALX", "supercategory": "brain-structures"},
    {"id": 7, "name": "CSP", "supercategory": "brain-structures"},
    {"id": 3, "name": "CHOROID_PLEXUS", "supercategory": "brain-structures"},
]
WIDTH, HEIGHT = 40, 20


def _image(path, width=WIDTH, height=HEIGHT):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((height, width), np.uint8))


def _entry(number=0, name="a.jpg", **values):
    return {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT} | values


def _annotation(image=0, category=7, bbox=(10, 5, 20, 10), **values):
    return {"id": 0, "image_id": image, "category_id": category, "bbox": list(bbox), "iscrowd": 0} | values


def _coco(path, images, annotations=(), categories=CATEGORIES):
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"info": {}, "images": images, "annotations": list(annotations), "categories": categories}
    path.write_text(json.dumps(document))


def _one(folder, entry=None, *annotations, categories=CATEGORIES):
    """Read a snapshot of one image, `a.jpg`."""
    _image(folder / "a.jpg")
    _coco(folder / "labels.json", [_entry() if entry is None else entry], annotations, categories)
    return {entry.labelled_by: entry for entry in read_snapshot(folder)}


def _corners(box):
    return [round(value, 9) for value in (box.x0, box.y0, box.x1, box.y1)]


def test_an_export_of_roboflow_is_read_side_by_side(tmp_path):
    for side in ("train", "valid", "test"):
        _image(tmp_path / side / f"{side}_png.rf.0a.jpg")
        entries = [_entry(5, f"{side}_png.rf.0a.jpg", extra={"name": f"{side}.png"})]
        _coco(tmp_path / side / "_annotations.coco.json", entries, [_annotation(5)])
    found = {entry.image: entry for entry in read_snapshot(tmp_path)}
    assert {image: (entry.official_split, entry.source_image) for image, entry in found.items()} == {
        "train_png.rf.0a": ("train", "train_png"),
        "valid_png.rf.0a": ("val", "valid_png"),
        "test_png.rf.0a": ("test", "test_png"),
    }
    train = found["train_png.rf.0a"]
    assert train.file == tmp_path / "train/train_png.rf.0a.jpg"
    assert (train.labelled_by, train.refused) == ("train/_annotations.coco.json#5", "")
    assert [(box.structure, *_corners(box)) for box in train.boxes] == [("CSP", 0.25, 0.25, 0.75, 0.75)]


def test_categories_are_read_by_their_ids(tmp_path):
    annotations = [_annotation(category=number) for number in (3, 1, 7)]
    (entry,) = _one(tmp_path, None, *annotations).values()
    assert [box.structure for box in entry.boxes] == ["CHOROID_PLEXUS", "MIDLINE_FALX", "CSP"]


@pytest.mark.parametrize("category", [2, None, "x", [1]])
def test_a_category_without_a_name_keeps_its_id(tmp_path, category):
    (entry,) = _one(tmp_path, None, _annotation(category=category)).values()
    assert [box.structure for box in entry.boxes] == [f"class {category}"]


@pytest.mark.parametrize(
    ("labels", "name", "image"),
    [
        ("annotations.json", "a.jpg", "a.jpg"),
        ("annotations.json", "a.jpg", "images/a.jpg"),
        ("annotations.json", "sub/a.jpg", "sub/a.jpg"),
        ("annotations.json", "sub/a.jpg", "images/sub/a.jpg"),
        ("annotations.json", "./sub\\a.jpg", "images/sub/a.jpg"),
        ("annotations/instances_default.json", "a.jpg", "images/a.jpg"),
        ("annotations/instances_default.json", "train/a.jpg", "train/a.jpg"),
        ("annotations/instances_train.json", "a.jpg", "images/train/a.jpg"),
        ("export/result.json", "images/a.jpg", "export/images/a.jpg"),
    ],
)
def test_images_are_found_beside_the_file_or_in_images(tmp_path, labels, name, image):
    _image(tmp_path / image)
    _coco(tmp_path / labels, [_entry(3, name)], [_annotation(3)])
    (entry,) = read_snapshot(tmp_path)
    assert (entry.image, entry.file, entry.labelled_by) == ("a", tmp_path / image, f"{labels}#3")
    assert len(entry.boxes) == 1
    assert entry.official_split == ("train" if "train" in f"{labels} {image}" else "")


def test_the_name_of_the_subset_gives_the_side_where_no_folder_does(tmp_path):
    _image(tmp_path / "images/a.jpg")
    _coco(tmp_path / "annotations/instances_val.json", [_entry()])
    assert [entry.official_split for entry in read_snapshot(tmp_path)] == ["val"]


def test_an_image_of_another_side_is_not_taken_for_one_that_is_missing(tmp_path):
    _image(tmp_path / "valid/a.jpg")
    _coco(tmp_path / "train/_annotations.coco.json", [_entry()], [_annotation()])
    _coco(tmp_path / "valid/_annotations.coco.json", [_entry(4)], [_annotation(4)])
    found = {entry.labelled_by: entry for entry in read_snapshot(tmp_path)}
    assert found["train/_annotations.coco.json#0"].file is None
    assert found["valid/_annotations.coco.json#4"].file == tmp_path / "valid/a.jpg"


def test_no_annotations_say_that_nothing_is_there_and_no_entry_that_nobody_looked(tmp_path):
    _image(tmp_path / "unseen.jpg")
    found = {entry.image: entry for entry in _one(tmp_path).values()}
    assert (found["a"].labelled_by, found["a"].boxes, found["a"].refused) == ("labels.json#0", [], "")
    assert (found["unseen"].labelled_by, found["unseen"].boxes) == ("", [])


def test_entries_and_annotations_without_an_image_are_listed(tmp_path):
    found = _one(tmp_path, _entry(8, "sub/gone.jpg"), _annotation(8), _annotation(99))
    gone, orphan = found["labels.json#8"], found["labels.json#99"]
    assert (gone.image, gone.file, gone.boxes, gone.refused) == ("gone", None, [], "")
    assert (orphan.image, orphan.file, orphan.boxes) == ("99", None, [])
    assert found[""].image == "a"


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd.jpg", "../a.jpg", "sub/../../a.jpg", "..\\a.jpg", "C:\\a.jpg", "https://x/a.jpg?key=1", "", None, 3],
)
def test_a_file_name_that_leads_out_is_refused_and_not_repeated(tmp_path, name):
    _image(tmp_path / "a.jpg")
    found = _one(tmp_path / "snapshot", _entry(4, name), _annotation(4))
    refused = found["labels.json#4"]
    assert (refused.image, refused.file, refused.boxes) == ("4", None, [])
    assert refused.refused == "unusable file name: it is missing or leads out of the snapshot"


@pytest.mark.parametrize("name", ["labels.json", ".hidden.jpg", "sub"])
def test_a_file_that_is_no_image_is_not_brought_in(tmp_path, name):
    _image(tmp_path / ".hidden.jpg")
    _image(tmp_path / "sub/b.jpg")
    assert _one(tmp_path, _entry(4, name))["labels.json#4"].file is None


def test_a_size_other_than_that_of_the_file_is_refused(tmp_path):
    (entry,) = _one(tmp_path, _entry(width=HEIGHT, height=WIDTH), _annotation()).values()
    assert entry.refused == "size differs from labels: they say 20 x 40 px, the image has 40 x 20"
    assert entry.boxes == []
    assert entry.file == tmp_path / "a.jpg"


@pytest.mark.parametrize("size", [0, -40, "40", True, math.nan, math.inf, [40], 10**400])
def test_a_size_that_is_no_number_of_px_is_refused(tmp_path, size):
    (entry,) = _one(tmp_path, _entry(width=size), _annotation()).values()
    assert entry.refused.startswith("unusable size in labels: ")
    assert entry.boxes == []


def test_where_no_size_is_stated_that_of_the_file_counts(tmp_path):
    (entry,) = _one(tmp_path, {"id": 0, "file_name": "a.jpg"}, _annotation()).values()
    assert entry.refused == ""
    assert _corners(entry.boxes[0]) == [0.25, 0.25, 0.75, 0.75]


def test_where_the_header_cannot_be_read_the_size_stated_counts(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"")
    _coco(tmp_path / "labels.json", [_entry(name="a.dcm")], [_annotation()])
    (entry,) = read_snapshot(tmp_path)
    assert _corners(entry.boxes[0]) == [0.25, 0.25, 0.75, 0.75]


@pytest.mark.parametrize(
    "bbox",
    [[1, 2, 3], [1, 2, 3, 4, 5], ["1", 2, 3, 4], [math.nan, 2, 3, 4], [1, 2, None, 4], 5, "1234", [10**400, 1, 1, 1]],
)
def test_a_box_that_cannot_be_read_has_no_corners(tmp_path, bbox):
    (entry,) = _one(tmp_path, None, _annotation() | {"bbox": bbox, "segmentation": [[0, 0, 1, 0, 1, 1]]}).values()
    (box,) = entry.boxes
    assert box.structure == "CSP"
    assert all(math.isnan(value) for value in (box.x0, box.y0, box.x1, box.y1))


@pytest.mark.parametrize("absent", [{}, {"bbox": None}, {"bbox": []}])
def test_polygons_without_a_box_give_their_bounds(tmp_path, absent):
    annotation = _annotation(segmentation=[[10, 5, 20, 15, 12, 9], [30, 7, 28, 6, 29, 8]])
    del annotation["bbox"]
    (entry,) = _one(tmp_path, None, annotation | absent).values()
    assert _corners(entry.boxes[0]) == [0.25, 0.25, 0.75, 0.75]


@pytest.mark.parametrize(
    "segmentation", [None, [], {"counts": "x"}, [[1, 2]], [[1, 2, 3, 4, 5, 6, 7]], [["a"] * 6], "x", 5]
)
def test_neither_box_nor_polygon_is_a_box_without_corners(tmp_path, segmentation):
    (entry,) = _one(tmp_path, None, _annotation(bbox=(), segmentation=segmentation)).values()
    assert math.isnan(entry.boxes[0].x0)


def test_an_image_labelled_twice_is_refused_both_times(tmp_path):
    _image(tmp_path / "a.jpg")
    _coco(tmp_path / "one.json", [_entry()], [_annotation()])
    _coco(tmp_path / "two.json", [_entry()], [])
    assert {entry.labelled_by: (entry.boxes, entry.refused) for entry in read_snapshot(tmp_path)} == {
        f"{name}.json#0": ([], "labelled twice: 2 rows name this file") for name in ("one", "two")
    }


@pytest.mark.parametrize("ids", [(1, 1), (1, "1"), (None, 2), ([1], 2)])
def test_an_image_id_that_points_at_no_single_image_is_refused(tmp_path, ids):
    for name in ("a.jpg", "b.jpg"):
        _image(tmp_path / name)
    entries = [_entry(number, name) for number, name in zip(ids, ("a.jpg", "b.jpg"), strict=True)]
    _coco(tmp_path / "labels.json", entries, [_annotation(ids[0])])
    listed = read_snapshot(tmp_path)
    assert any(entry.refused.startswith("unusable image id: ") for entry in listed)
    assert not any(entry.boxes for entry in listed)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00", b'{"images": ' + b"[" * 100_000, b"NaN NaN"])
def test_json_that_cannot_be_read_is_named_on_one_line(tmp_path, content):
    (tmp_path / "labels.json").write_bytes(content)
    with pytest.raises(SonotraceError, match=r"labels\.json: not JSON \(.*\); export it again, or remove it$") as error:
        read_snapshot(tmp_path)
    assert "\n" not in str(error.value)


def test_json_may_begin_with_a_byte_order_mark(tmp_path):
    _one(tmp_path)
    path = tmp_path / "labels.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [entry.labelled_by for entry in read_snapshot(tmp_path)] == ["labels.json#0"]


@pytest.mark.parametrize("missing", ["images", "annotations", "categories"])
def test_an_export_of_roboflow_without_a_list_is_named(tmp_path, missing):
    document = {"images": [], "annotations": [], "categories": []}
    del document[missing]
    (tmp_path / "_annotations.coco.json").write_text(json.dumps(document))
    with pytest.raises(SonotraceError, match=r"_annotations\.coco\.json: lacks one of images, annotations, categories"):
        read_snapshot(tmp_path)


@pytest.mark.parametrize("name", ["images", "annotations", "categories"])
@pytest.mark.parametrize("content", [None, {}, [1], "x"])
def test_a_list_of_another_kind_is_named(tmp_path, name, content):
    document = {"images": [], "annotations": [], "categories": []} | {name: content}
    (tmp_path / "labels.json").write_text(json.dumps(document))
    with pytest.raises(SonotraceError, match=rf"labels\.json: {name} is not a list of objects"):
        read_snapshot(tmp_path)


def test_a_category_id_of_two_names_is_an_error(tmp_path):
    with pytest.raises(SonotraceError, match=r"labels\.json: category id 1 is MIDLINE_FALX and CSP"):
        _one(tmp_path, None, categories=[CATEGORIES[1], {"id": 1, "name": "CSP"}])


def test_other_and_hidden_json_is_passed_over(tmp_path):
    (tmp_path / ".tool").mkdir()
    (tmp_path / ".tool/settings.json").write_text("{ // comment")
    (tmp_path / "pin.json").write_text('{"version": 1}')
    assert set(_one(tmp_path)) == {"labels.json#0"}


SHARES = st.lists(st.floats(0, 1), min_size=2, max_size=2, unique=True).map(sorted)
BOXES = st.lists(st.tuples(st.sampled_from(STRUCTURES), SHARES, SHARES), max_size=4)


@given(boxes=BOXES, width=st.integers(1, 300), height=st.integers(1, 300))
def test_coco_and_yolo_forms_of_the_same_boxes_read_alike(tmp_path_factory, boxes, width, height):
    at = tmp_path_factory.mktemp("law")
    _image(at / "yolo/train/images/a.png", width, height)
    _image(at / "coco/train/a.png", width, height)
    (at / "yolo/data.yaml").write_text(yaml.safe_dump({"names": list(STRUCTURES)}))
    lines = [
        f"{STRUCTURES.index(name)} {(x0 + x1) / 2!r} {(y0 + y1) / 2!r} {x1 - x0!r} {y1 - y0!r}"
        for name, (x0, x1), (y0, y1) in boxes
    ]
    (at / "yolo/train/labels").mkdir()
    (at / "yolo/train/labels/a.txt").write_text("\n".join(lines))
    numbers = {category["name"]: category["id"] for category in CATEGORIES}
    annotations = [
        _annotation(9, numbers[name], (x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height))
        for name, (x0, x1), (y0, y1) in boxes
    ]
    entry = _entry(9, "a.png", width=width, height=height)
    _coco(at / "coco/train/_annotations.coco.json", [entry], annotations)
    (yolo,), (coco,) = read_snapshot(at / "yolo"), read_snapshot(at / "coco")
    assert (coco.image, coco.official_split, coco.refused) == (yolo.image, yolo.official_split, "")
    assert [box.structure for box in coco.boxes] == [box.structure for box in yolo.boxes]
    for ours, theirs in zip(coco.boxes, yolo.boxes, strict=True):
        assert _corners(ours) == pytest.approx(_corners(theirs), abs=1e-7)


@pytest.mark.parametrize(
    ("rotation", "corners"),
    [(0.0, (10, 5, 30, 15)), (90.0, (15, 0, 25, 20)), (180, (10, 5, 30, 15)), (-90, (15, 0, 25, 20))],
)
def test_a_box_that_cvat_rotates_becomes_the_bounds_of_its_corners(tmp_path, rotation, corners):
    annotation = _annotation(bbox=(10, 5, 20, 10), attributes={"occluded": False, "rotation": rotation})
    (entry,) = _one(tmp_path, None, annotation).values()
    x0, y0, x1, y1 = corners
    assert _corners(entry.boxes[0]) == pytest.approx([x0 / WIDTH, y0 / HEIGHT, x1 / WIDTH, y1 / HEIGHT])


def test_a_box_rotated_by_half_a_right_angle_is_as_wide_as_high(tmp_path):
    annotation = _annotation(bbox=(10, 5, 20, 10), attributes={"rotation": 45})
    x0, y0, x1, y1 = _corners(next(iter(_one(tmp_path, None, annotation).values())).boxes[0])
    assert (x1 - x0) * WIDTH == pytest.approx(30 / 2**0.5)
    assert (y1 - y0) * HEIGHT == pytest.approx(30 / 2**0.5)


def test_a_rotation_that_is_no_number_leaves_no_corners(tmp_path):
    annotation = _annotation(attributes={"rotation": "a little"})
    corners = _corners(next(iter(_one(tmp_path, None, annotation).values())).boxes[0])
    assert all(math.isnan(value) for value in corners)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"images": [], "annotations": [], "categories": [{"id": 1, "name": "\\ud800"}]}', "half of a character"),
        (b"[" * 50_000, "nested too deeply"),
    ],
)
def test_json_that_no_table_could_hold_is_refused(tmp_path, content, said):
    (tmp_path / "labels.json").write_bytes(content)
    with pytest.raises(SonotraceError, match=rf"labels\.json: not JSON \(.*{said}"):
        read_snapshot(tmp_path)


def test_a_category_name_cannot_break_the_line(tmp_path):
    categories = [{"id": 1, "name": "a\nb"}, {"id": 1, "name": "c"}]
    with pytest.raises(SonotraceError, match="category id 1 is") as caught:
        _one(tmp_path, categories=categories)
    assert str(caught.value).isprintable()
