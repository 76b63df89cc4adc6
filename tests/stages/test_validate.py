"""What cannot be used is set apart with a reason, and nothing is lost."""

import hashlib
import json
import re

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from turned_copies import drawn, turn

from sonotrace.checks.boxes import TOLERANCE, cut_boxes
from sonotrace.checks.copies import set_copies_apart
from sonotrace.checks.decoding import measure
from sonotrace.checks.report import describe
from sonotrace.checks.rows import judge
from sonotrace.errors import SonotraceError
from sonotrace.kinds import KINDS
from sonotrace.running.outputs import write_csv
from sonotrace.stages.validate import run
from sonotrace.tables import CORNERS, box_table, image_table, read_table

WIDTH, HEIGHT = 40, 30


def _picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)


def _encoded(seed=0, ending=".png"):
    return cv2.imencode(ending, _picture(seed))[1].tobytes()


def _row(image, content=b"", **values):
    row = {
        "image": image,
        "file": f"{image}.png",
        "sha256": hashlib.sha256(content or image.encode()).hexdigest(),
        "patient": "1",
        "source_image": "",
        "width": WIDTH,
        "height": HEIGHT,
        "label": "Fetal brain",
        "labelled_by": f"t.csv:{image}",
        "official_split": "",
        "scanner": "",
        "site": "",
        "mm_per_px_x": "",
        "mm_per_px_y": "",
        "refused": "",
    }
    return row | values


def _box(image, corners=(1, 2, 9, 8), structure="CSP", file=None):
    file = f"{image}.png" if file is None else file
    return {"image": image, "file": file, "structure": structure, **dict(zip(CORNERS, corners, strict=True))}


@pytest.fixture
def pulled(work):
    """Lay out what pull leaves: rows, file -> content, boxes."""

    def lay_out(data_set, rows, contents=None, boxes=()):
        pull = work / "data" / data_set / "pull"
        drawn = {row["file"]: _encoded(int.from_bytes(row["image"].encode())) for row in rows if row["file"]}
        contents = drawn | (contents or {})
        for file, content in contents.items():
            (pull / "images" / file).parent.mkdir(parents=True, exist_ok=True)
            (pull / "images" / file).write_bytes(content)
        rows = [
            row | ({"sha256": hashlib.sha256(contents[row["file"]]).hexdigest()} if row["file"] else {"sha256": ""})
            for row in rows
        ]
        write_csv(image_table(rows), pull / "manifest.csv")
        write_csv(box_table(list(boxes)), pull / "boxes.csv")

    return lay_out


def _tables(work, data_set):
    out = work / "data" / data_set / "validate"
    return read_table(out / "accepted.csv"), read_table(out / "quarantine.csv")


DAMAGED = {
    "truncated png": _encoded()[:200],
    "truncated jpeg": _encoded(ending=".jpg")[:700],
    "empty": b"",
    "html": b"<html><body>404 not found</body></html>",
    "text": b"hello",
}


@pytest.mark.parametrize("kind", DAMAGED)
@pytest.mark.parametrize("data_set", ["planes", "structures"])
def test_an_image_that_cannot_be_decoded_is_set_apart(work, set_param, pulled, data_set, kind):
    set_param(f"validate.{data_set}.max_quarantined", 0.5)
    pulled(data_set, [_row("bad"), _row("good"), _row("fine")], {"bad.png": DAMAGED[kind]})
    run(data_set)
    accepted, quarantine = _tables(work, data_set)
    assert list(accepted["image"]) == ["fine", "good"]
    assert quarantine[["image", "file", "labelled_by", "reason"]].to_numpy().tolist() == [
        ["bad", "bad.png", "t.csv:bad", "unreadable image"]
    ]
    assert quarantine["detail"][0]


CASES = {
    "row without image": _row("x", file="", sha256=""),
    "image without row": _row("x", labelled_by="", label=""),
    "unreadable patient": _row("x", patient=""),
    "unknown label": _row("x", label="Fetal heart"),
}


@pytest.mark.parametrize("reason", CASES)
def test_each_fault_of_a_row_has_its_reason(reason):
    rows = [_row("a"), CASES[reason], _row("z")]
    accepted, quarantine = judge("planes", KINDS["planes"], image_table(rows), box_table([]), {})
    assert list(accepted["image"]) == ["a", "z"]
    assert quarantine[["image", "reason"]].to_numpy().tolist() == [["x", reason]]


def test_a_label_outside_the_planes_is_kept_in_the_detail():
    _, quarantine = judge("planes", KINDS["planes"], image_table([_row("x", label="Fetal heart")]), box_table([]), {})
    assert quarantine["detail"][0].startswith("'Fetal heart'; known: abdomen, brain, femur, thorax, cervix, other")


def test_accepted_planes_carry_the_name_of_the_plane():
    labels = {"a": "Fetal thorax", "b": "fetal FEMUR ", "c": "abdomen", "d": "Fetal brain"}
    accepted, _ = judge(
        "planes", KINDS["planes"], image_table([_row(i, label=label) for i, label in labels.items()]), box_table([]), {}
    )
    assert list(accepted["label"]) == ["thorax", "femur", "abdomen", "brain"]


def test_an_id_with_two_contents_is_set_apart_whole():
    rows = [_row("x", b"one", file="a/x.png"), _row("x", b"two", file="b/x.png"), _row("y")]
    accepted, quarantine = judge("planes", KINDS["planes"], image_table(rows), box_table([]), {})
    assert list(accepted["image"]) == ["y"]
    assert list(quarantine["reason"]) == ["same id twice"] * 2
    assert list(quarantine["detail"]) == ["2 different images have this id"] * 2


def test_an_id_with_one_content_is_kept_once():
    rows = [_row("x", b"one", file="a/x.png"), _row("x", b"one", file="b/x.png"), _row("x", b"one", file="c/x.png")]
    accepted, _ = judge("planes", KINDS["planes"], image_table(rows), box_table([]), {})
    accepted, quarantine = set_copies_apart("planes", KINDS["planes"], accepted, box_table([]), "stop")
    assert list(accepted["file"]) == ["a/x.png"]
    assert quarantine[["file", "reason"]].to_numpy().tolist() == [
        ["b/x.png", "same id twice"],
        ["c/x.png", "same id twice"],
    ]


@pytest.mark.parametrize(
    ("corners", "structure", "reason"),
    [
        ((0, 0, WIDTH, HEIGHT), "CSP", None),
        ((-TOLERANCE, 0, WIDTH + TOLERANCE, HEIGHT), "MIDLINE_FALX", None),
        ((-1.1, 0, 5, 5), "CSP", "box outside the image"),
        ((0, -1.1, 5, 5), "CSP", "box outside the image"),
        ((5, 5, WIDTH + 1.1, 9), "CSP", "box outside the image"),
        ((5, 5, 9, HEIGHT + 1.1), "CSP", "box outside the image"),
        ((500, 500, 510, 510), "CSP", "box outside the image"),
        ((5, 5, 5, 9), "CSP", "box of zero size"),
        ((5, 9, 9, 9), "CSP", "box of zero size"),
        ((9, 5, 5, 9), "CSP", "box of zero size"),
        ((1, 2, 3, 4), "class 7", "box of unknown class"),
        ((1, 2, 3, 4), "csp", "box of unknown class"),
        ((float("nan"), 2, 3, 4), "CSP", "unreadable box"),
        ((float("nan"),) * 4, "", "unreadable box"),
    ],
)
def test_an_image_with_an_unusable_box_is_set_apart_whole(corners, structure, reason):
    boxes = box_table([_box("x"), _box("x", corners, structure), _box("y")])
    accepted, quarantine = judge("structures", KINDS["structures"], image_table([_row("x"), _row("y")]), boxes, {})
    assert list(accepted["image"]) == (["y"] if reason else ["x", "y"])
    assert list(quarantine["reason"]) == ([reason] if reason else [])
    if reason:
        assert quarantine["detail"][0].startswith(f"{structure} [")
        assert quarantine["detail"][0].partition(";")[0].endswith("] px")


def test_boxes_are_cut_to_the_image(work, pulled):
    pulled("structures", [_row("x")], boxes=[_box("x", (-0.6, 3, WIDTH + 0.7, HEIGHT + 1))])
    run("structures")
    boxes = read_table(work / "data/structures/validate/boxes.csv")
    assert list(boxes.columns) == ["image", "structure", *CORNERS]
    assert boxes[CORNERS].to_numpy().tolist() == [[0, 3, WIDTH, HEIGHT]]


@pytest.mark.parametrize("corners", [(WIDTH + 0.2, 2, WIDTH + 0.8, 5), (-0.9, 2, -0.1, 5), (3, -0.9, 5, -0.2)])
def test_no_box_is_left_without_area(work, set_param, pulled, corners):
    set_param("validate.structures.max_quarantined", 0.5)
    pulled("structures", [_row("x"), _row("y")], boxes=[_box("x", corners), _box("y")])
    run("structures")
    boxes = read_table(work / "data/structures/validate/boxes.csv")
    assert (boxes["x1"] > boxes["x0"]).all()
    assert (boxes["y1"] > boxes["y0"]).all()


def test_of_byte_identical_images_one_is_kept():
    accepted = image_table([_row(image, b"same" if image in "bd" else b"") for image in "abcd"])
    kept, apart = set_copies_apart("planes", KINDS["planes"], accepted, box_table([]), "stop")
    assert list(kept["image"]) == ["a", "b", "c"]
    assert apart[["image", "reason", "detail"]].to_numpy().tolist() == [
        ["d", "identical copy", "same bytes as b.png, labelled by t.csv:b"]
    ]


def test_identical_images_under_several_labels_stop_and_name_both_rows():
    accepted = image_table([_row("a", b"same", label="brain"), _row("b", b"same", label="femur")])
    with pytest.raises(SonotraceError) as caught:
        set_copies_apart("planes", KINDS["planes"], accepted, box_table([]), "stop")
    assert str(caught.value) == (
        "planes: identical images a, b: t.csv:a says brain but t.csv:b says femur; correct the label, "
        "or set validate.planes.conflicting_labels: quarantine to leave them out"
    )


def test_identical_images_under_several_labels_are_left_out_on_request():
    accepted = image_table([_row("a", b"same", label="brain"), _row("b", b"same", label="femur"), _row("c")])
    kept, apart = set_copies_apart("planes", KINDS["planes"], accepted, box_table([]), "quarantine")
    assert list(kept["image"]) == ["c"]
    assert list(apart["image"]) == ["a", "b"]
    assert list(apart["reason"]) == ["conflicting labels"] * 2
    assert list(apart["detail"]) == ["t.csv:a says brain but t.csv:b says femur"] * 2


@pytest.mark.parametrize(
    ("other", "conflict"), [((1, 2, 9, 8), False), ((1, 2, 9, 9), True)], ids=["same boxes", "other boxes"]
)
def test_boxes_are_the_labels_of_structures(other, conflict):
    accepted = image_table([_row("a", b"same"), _row("b", b"same")])
    boxes = box_table([_box("a"), _box("a", (3, 3, 5, 5), "MIDLINE_FALX"), _box("b", (3, 3, 5, 5), "MIDLINE_FALX")])
    boxes = pd.concat([boxes, box_table([_box("b", other)])])
    if conflict:
        with pytest.raises(SonotraceError, match=r"t\.csv:a says .* but t\.csv:b says"):
            set_copies_apart("structures", KINDS["structures"], accepted, boxes, "stop")
    else:
        assert list(set_copies_apart("structures", KINDS["structures"], accepted, boxes, "stop")[0]["image"]) == ["a"]


def test_one_row_twice_under_two_labels_is_a_conflict(work, set_param, pulled):
    rows = [
        _row("x", label="Fetal brain", labelled_by="t.csv:2"),
        _row("x", label="Fetal femur", labelled_by="t.csv:3"),
    ]
    pulled("planes", [*rows, _row("y"), _row("z")])
    with pytest.raises(SonotraceError, match=r"identical images x: t\.csv:2 says brain but t\.csv:3 says femur"):
        run("planes")
    set_param("validate.planes.conflicting_labels", "quarantine")
    set_param("validate.planes.max_quarantined", 0.5)
    run("planes")
    accepted, quarantine = _tables(work, "planes")
    assert list(accepted["image"]) == ["y", "z"]
    assert list(quarantine["reason"]) == ["conflicting labels"] * 2


def test_one_id_in_two_folders_with_other_boxes_is_a_conflict(pulled):
    same = _encoded(9)
    rows = [_row("x", file="train/x.png"), _row("x", file="valid/x.png"), _row("y")]
    pulled("structures", rows, {"train/x.png": same, "valid/x.png": same}, [_box("x", file="train/x.png")])
    with pytest.raises(SonotraceError, match="identical images x"):
        run("structures")


def test_a_labelled_image_is_not_dropped_for_an_unlabelled_one_of_its_name(work, set_param, pulled):
    set_param("validate.structures.max_quarantined", 0.5)
    same = _encoded(9)
    rows = [_row("x", file="train/x.png", labelled_by=""), _row("x", file="valid/x.png"), _row("y")]
    pulled("structures", rows, {"train/x.png": same, "valid/x.png": same})
    run("structures")
    assert list(_tables(work, "structures")[0]["file"]) == ["valid/x.png", "y.png"]


def test_too_much_in_quarantine_stops_and_leaves_the_reasons(work, set_param, pulled):
    rows = [_row("a", label="Fetal heart"), _row("b"), _row("c"), _row("d", patient="")]
    pulled("planes", rows)
    set_param("validate.planes.max_quarantined", 0.4)
    with pytest.raises(SonotraceError) as caught:
        run("planes")
    said = str(caught.value)
    assert "\n" not in said
    for part in (
        "2 of 4 rows",
        "1 unknown label, 1 unreadable patient",
        "first: a: 'Fetal heart'",
        "max_quarantined = 0.4",
        "data/planes/validate/quarantine.csv",
    ):
        assert part in said
    assert len(read_table(work / "data/planes/validate/quarantine.csv")) == 2
    set_param("validate.planes.max_quarantined", 0.5)
    run("planes")
    assert list(_tables(work, "planes")[0]["image"]) == ["b", "c"]


def test_a_snapshot_without_anything_usable_stops(set_param, pulled):
    set_param("validate.planes.max_quarantined", 1.0)
    pulled("planes", [_row("a", label="Fetal heart")])
    with pytest.raises(SonotraceError, match="1 of 1 rows quarantined"):
        run("planes")
    pulled("planes", [])
    with pytest.raises(SonotraceError, match="data/planes/pull: no images and no rows"):
        run("planes")


def test_a_clean_snapshot_leaves_an_empty_quarantine(work, pulled):
    pulled("planes", [_row("a"), _row("b")])
    run("planes")
    accepted, quarantine = _tables(work, "planes")
    assert list(accepted["image"]) == ["a", "b"]
    assert quarantine.empty
    assert list(quarantine.columns) == ["image", "file", "labelled_by", "reason", "detail"]


@st.composite
def mixtures(draw):
    """Draw rows as pull may leave them, with faults of every kind, and boxes."""
    rows, boxes = [], []
    for number in range(draw(st.integers(1, 8))):
        image = draw(st.sampled_from("abcd"))
        content = draw(st.sampled_from([b"1", b"2", b"3", image.encode()]))
        row = _row(
            image,
            content,
            file=draw(st.sampled_from(["", f"{number}/{image}.png", f"{number}/{image}.png"])),
            patient=draw(st.sampled_from(["", "1", "2"])),
            label=draw(st.sampled_from(["Fetal brain", "Fetal femur", "Other", ""])),
            labelled_by=draw(st.sampled_from(["", f"t:{number}", f"t:{number}"])),
        )
        if not row["file"]:
            row["sha256"] = ""
        rows.append(row)
        corners = draw(st.sampled_from([(1, 2, 9, 8), (1, 2, 9, 9), (5, 5, 5, 5), (-9, 0, 4, 4)]))
        if row["file"] and draw(st.booleans()):
            boxes.append(_box(image, corners, draw(st.sampled_from(["CSP", "other"])), row["file"]))
    damages = {row["file"]: "damaged" for row in rows if row["file"] and draw(st.integers(0, 4)) == 0}
    return rows, boxes, damages


@pytest.mark.parametrize("data_set", ["planes", "structures"])
@given(mixture=mixtures())
def test_every_row_is_accepted_or_quarantined_with_a_reason(data_set, mixture):
    rows, boxes, damages = mixture
    manifest, table = image_table(rows), box_table(boxes)
    accepted, quarantine = judge(data_set, KINDS[data_set], manifest, table, damages)
    kept, apart = set_copies_apart(data_set, KINDS[data_set], accepted, table, "quarantine")
    columns = ["image", "file", "labelled_by"]
    ends = pd.concat([kept[columns], quarantine[columns], apart[columns]])
    assert sorted(map(tuple, ends.to_numpy())) == sorted(map(tuple, manifest[columns].to_numpy()))
    assert (quarantine["reason"] != "").all()
    assert (apart["reason"] != "").all()
    assert not kept["image"].duplicated().any()
    assert not kept["sha256"].duplicated().any()
    assert (kept[["patient", "file", "labelled_by"]] != "").all(axis=None)
    assert not set(kept["file"]) & set(damages)


@given(mixtures())
def test_the_order_of_rows_changes_no_verdict(mixture):
    rows, boxes, damages = mixture
    found = [
        judge("planes", KINDS["planes"], image_table(given), box_table(boxes), damages) for given in (rows, rows[::-1])
    ]
    for one, other in zip(*found, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_the_data_report_counts_and_names_nobody(work, set_param, pulled):
    set_param("validate.structures.max_quarantined", 0.5)
    rows = [_row(f"IMG{number}", patient=f"PAT{number // 2}", scanner="Voluson E6") for number in range(5)]
    rows += [_row("IMG9", patient="", scanner="Aloka")]
    pulled("structures", rows, boxes=[_box("IMG0"), _box("IMG0", (2, 2, 4, 4), "MIDLINE_FALX"), _box("IMG9")])
    run("structures")
    text = (work / "reports/structures/data.json").read_text()
    assert not re.search(r"IMG|PAT|t\.csv|png", text)
    assert json.loads(text) == {
        "rows": 6,
        "accepted": 5,
        "out_of_scope": 0,
        "quarantined": 1,
        "quarantined_by_reason": {"unreadable patient": 1},
        "unlike_the_rest": {},
        "patients": 3,
        "patients_by_number_of_images": {"1": 1, "2": 2},
        "boxes_by_structure": {"CSP": 1, "MIDLINE_FALX": 1},
        "images_by_size_px": {f"{WIDTH}x{HEIGHT}": 5},
        "images_by_scanner": {"Voluson E6": 5},
        "images_by_site": {"unknown": 5},
    }


def test_the_report_counts_the_boxes_of_accepted_images_once():
    rows = [_row("x", b"same", file="train/x.png"), _row("x", b"same", file="valid/x.png")]
    boxes = box_table([_box("x", file="train/x.png"), _box("x", file="valid/x.png")])
    manifest = image_table(rows)
    accepted, quarantine = judge("structures", KINDS["structures"], manifest, boxes, {})
    accepted, apart = set_copies_apart("structures", KINDS["structures"], accepted, boxes, "stop")
    report = describe(
        KINDS["structures"],
        manifest,
        accepted,
        accepted[:0],
        pd.concat([quarantine, apart]),
        cut_boxes(boxes, accepted),
    )
    assert report["boxes_by_structure"] == {"CSP": 1}


@pytest.mark.parametrize(("classes", "in_scope"), [("four", ["a"]), ("six", ["a", "b", "c"])])
def test_planes_beyond_the_four_are_kept_apart_or_learnt_as_the_parameters_say(
    work, set_param, pulled, capsys, classes, in_scope
):
    set_param("validate.planes.classes", classes)
    rows = [_row("a"), _row("b", label="Maternal cervix"), _row("c", label="Other")]
    pulled("planes", rows)
    run("planes")
    out = work / "data/planes/validate"
    assert list(read_table(out / "accepted.csv")["image"]) == in_scope
    beyond = read_table(out / "out_of_scope.csv")
    assert dict(zip(beyond["image"], beyond["label"], strict=True)) == (
        {"b": "cervix", "c": "other"} if classes == "four" else {}
    )
    assert read_table(out / "quarantine.csv").empty
    assert ("2 out of scope" in capsys.readouterr().out) is (classes == "four")


def test_what_pull_refused_is_quarantined_with_its_reason():
    rows = [_row("a"), _row("b", file="", sha256="", patient="", refused="no ultrasound region: none is stated")]
    _, quarantine = judge("planes", KINDS["planes"], image_table(rows), box_table([]), {})
    assert quarantine[["image", "reason", "detail"]].to_numpy().tolist() == [
        ["b", "no ultrasound region", "none is stated"]
    ]


def test_a_snapshot_of_planes_beyond_the_four_alone_stops(pulled):
    pulled("planes", [_row("a", label="Other")])
    with pytest.raises(SonotraceError, match="all 1 good images are of classes out of scope"):
        run("planes")


def test_brightness_and_sharpness_are_those_of_the_definition():
    image = np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8)
    wide = image.astype(float)
    along = ((wide[:, 2:] - wide[:, :-2]) ** 2).mean()
    down = ((wide[2:] - wide[:-2]) ** 2).mean()
    brightness, sharpness = measure(image)
    assert brightness == pytest.approx(wide.mean(), abs=1e-3)
    assert sharpness == pytest.approx((along + down) / 2, abs=1e-3)


def test_a_blurred_image_is_less_sharp_and_a_tiny_one_has_no_sharpness():
    image = np.random.default_rng(2).integers(0, 256, (40, 40), np.uint8)
    sharp = [measure(cv2.GaussianBlur(image, (0, 0), width))[1] for width in (0.5, 1, 2)]
    assert measure(image)[1] > sharp[0] > sharp[1] > sharp[2] > 0
    assert measure(np.full((1, 2), 7, np.uint8)) == (7, 0)


def test_statistics_list_the_images_that_can_be_read(work):
    images = work / "data/planes/pull/images"
    images.mkdir(parents=True)
    good, bad = cv2.imencode(".png", np.full((8, 8), 9, np.uint8))[1].tobytes(), b"none"
    (images / "a.png").write_bytes(good)
    (images / "b.png").write_bytes(bad)
    rows = [
        {"image": name, "file": f"{name}.png", "sha256": name, "patient": name, "label": "brain", "labelled_by": "t"}
        for name in "ab"
    ]
    write_csv(image_table([row | {"width": 8, "height": 8} for row in rows]), work / "data/planes/pull/manifest.csv")
    write_csv(box_table([]), work / "data/planes/pull/boxes.csv")
    content = yaml.safe_load((work / "params.yaml").read_text())
    content["validate"]["planes"]["max_quarantined"] = 0.5
    (work / "params.yaml").write_text(yaml.safe_dump(content))
    run("planes")
    table = pd.read_csv(work / "data/planes/validate/statistics.csv")
    assert list(table) == ["image", "file", "brightness", "sharpness", "colour", "black", "distance"]
    assert table.to_numpy().tolist() == [["a", "a.png", 9.0, 0.0, 0.0, 1.0, 0.0]]


@pytest.mark.parametrize("unlike", ["flag", "quarantine"])
def test_a_photograph_is_flagged_or_quarantined_as_the_parameters_say(work, set_param, pulled, capsys, unlike):
    set_param("validate.planes.unlike", unlike)
    set_param("validate.planes.max_quarantined", 0.5)
    photograph = np.full((HEIGHT, WIDTH, 3), (30, 120, 220), np.uint8)
    dark = cv2.imencode(".png", np.where(_picture(1) > 120, _picture(1), 0))[1].tobytes()
    contents = {"photo.png": cv2.imencode(".png", photograph)[1].tobytes(), "a.png": dark + b"a", "b.png": dark + b"b"}
    pulled("planes", [_row("photo"), _row("a"), _row("b")], contents)
    run("planes")
    accepted, quarantine = _tables(work, "planes")
    report = json.loads((work / "reports/planes/data.json").read_text())
    printed = capsys.readouterr().out
    if unlike == "flag":
        assert list(accepted["image"]) == ["a", "b", "photo"]
        assert report["unlike_the_rest"] == {"colour": 1}
        assert "warning: 1 accepted images look unlike the rest; first: photo.png: colour: 100% of its" in printed
    else:
        assert list(accepted["image"]) == ["a", "b"]
        assert quarantine[["image", "reason", "detail"]].to_numpy().tolist() == [
            ["photo", "unlike the rest", "colour: 100% of its pixels"]
        ]
        assert report["unlike_the_rest"] == {}
        assert "warning" not in printed


@pytest.mark.parametrize("copies", ["keep", "recover"])
def test_turned_copies_become_their_source_if_that_is_asked_for(work, set_param, pulled, copies):
    set_param("validate.structures.copies", copies)
    source, other = drawn(1), drawn(2)
    made = {f"1_HC_png.rf.{at}": turn(source, angle) for at, angle in enumerate((0, 6, -4))} | {"2_HC_png.rf.0": other}
    rows, boxes, contents = [], [], {}
    for image, one in made.items():
        height, width = one.image.shape
        rows.append(_row(image, patient=image[0], source_image=image[:8], width=width, height=height, label=""))
        boxes += [_box(image, corners, name) for name, corners in zip(one.structures, one.corners, strict=True)]
        contents[f"{image}.png"] = cv2.imencode(".png", one.image)[1].tobytes()
    pulled("structures", rows, contents, boxes)
    run("structures")
    accepted, quarantine = _tables(work, "structures")
    at = work / "data/structures/validate"
    found, fits = read_table(at / "boxes.csv"), read_table(at / "recovered/fits.csv")
    report = json.loads((work / "reports/structures/data.json").read_text())
    assert quarantine.empty
    if copies == "keep":
        assert list(accepted["image"]) == list(made)
        assert fits.empty
        assert "recovered" not in report
        return
    assert list(accepted["image"]) == ["1_HC_png", "2_HC_png.rf.0"]
    np.testing.assert_allclose(found.loc[found["image"] == "1_HC_png", CORNERS], source.corners, atol=1)
    assert len(fits) == 3 * len(source.structures)
    assert report["recovered"]["sources"] == 1
    assert report["accepted"] == 2


def test_copies_that_do_not_fit_are_quarantined(work, set_param, pulled):
    set_param("validate.structures.copies", "recover")
    set_param("validate.structures.max_quarantined", 0.7)
    rows = [_row(f"1_HC_png.rf.{at}", source_image="1_HC_png", label="") for at in range(2)]
    pulled("structures", [*rows, _row("2_HC_png.rf.0", source_image="2_HC_png", label="")])
    run("structures")
    accepted, quarantine = _tables(work, "structures")
    assert list(accepted["image"]) == ["2_HC_png.rf.0"]
    assert list(quarantine["image"]) == ["1_HC_png.rf.0", "1_HC_png.rf.1"]
    assert set(quarantine["reason"]) == {"copies do not register"}
