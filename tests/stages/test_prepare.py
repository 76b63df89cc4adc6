"""Accepted images come to one size, with their boxes."""

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.images.grey import write_png
from sonotrace.images.packs import pack_name, stored_in
from sonotrace.images.preparation import Preparation
from sonotrace.images.prepared import move_boxes
from sonotrace.running.outputs import write_csv
from sonotrace.stages.prepare import run
from sonotrace.tables import CORNERS, box_table, image_table, read_table


def _box(image, corners, structure="CSP"):
    return {"image": image, "file": f"{image}.png", "structure": structure, **dict(zip(CORNERS, corners, strict=True))}


def _accepted(sizes):
    return image_table(
        [
            {"image": image, "file": f"in/{image}.png", "patient": image, "width": width, "height": height}
            for image, (width, height) in sizes.items()
        ]
    )


@pytest.mark.parametrize("aspect", ["stretch", "letterbox"])
def test_the_stage_brings_all_images_and_boxes_to_one_size(work, set_param, aspect):
    set_param("prepare.structures", {"width": 96, "height": 64, "aspect": aspect, "mask_overlays": False})
    sizes = {"a": (192, 100), "b": (48, 80), "no boxes": (96, 64)}
    corners = {"a": (20, 10, 120, 50), "b": (8, 16, 40, 72)}
    (work / "data/structures/pull/images/in").mkdir(parents=True)
    for image, (width, height) in sizes.items():
        picture = np.zeros((height, width), np.uint8)
        x0, y0, x1, y1 = corners.get(image, (0, 0, 0, 0))
        picture[y0:y1, x0:x1] = 255
        write_png(picture, work / f"data/structures/pull/images/in/{image}.png")
    validate = work / "data/structures/validate"
    write_csv(_accepted(sizes), validate / "accepted.csv")
    write_csv(
        box_table([_box(image, box) for image, box in corners.items()]).drop(columns="file"), validate / "boxes.csv"
    )
    run("structures")
    out = work / "data/structures/prepare"
    prepared = stored_in(out / "images")
    assert sorted(prepared) == ["a", "b", "no boxes"]
    assert len(list((out / "images").iterdir())) == 3
    boxes = read_table(out / "boxes.csv")
    assert list(boxes["image"]) == ["a", "b"]
    for row in boxes.itertuples():
        image = prepared[row.image].read()
        assert image.shape == (64, 96)
        y, x = np.nonzero(image > 127)
        bounds = [x.min(), y.min(), x.max() + 1, y.max() + 1]
        np.testing.assert_allclose(bounds, [row.x0, row.y0, row.x1, row.y1], atol=1.01)


def test_a_second_run_gives_the_same_bytes_and_drops_what_is_no_longer_accepted(work):
    (work / "data/planes/pull/images/in").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (2, 50, 70), dtype=np.uint8)
    for image, picture in zip("ab", noise, strict=True):
        cv2.imwrite(str(work / f"data/planes/pull/images/in/{image}.png"), picture)
    write_csv(box_table([]).drop(columns="file"), work / "data/planes/validate/boxes.csv")
    contents = []
    for images in ("ab", "a"):
        write_csv(_accepted(dict.fromkeys(images, (70, 50))), work / "data/planes/validate/accepted.csv")
        run("planes")
        prepared = stored_in(work / "data/planes/prepare/images")
        contents.append({image: part.content() for image, part in prepared.items()})
    assert set(contents[0]) == {"a", "b"}
    assert contents[1] == {"a": contents[0]["a"]}


names = st.sampled_from("abcd")


@given(
    st.lists(st.tuples(names, st.floats(0, 0.4), st.floats(0.5, 1)), max_size=8),
    st.sampled_from(["stretch", "letterbox"]),
)
def test_boxes_go_with_their_own_image_in_their_order(listed, aspect):
    sizes = {"a": (100, 50), "b": (50, 100), "c": (640, 480), "d": (100, 50)}
    corners = [
        (sizes[n][0] * low, sizes[n][1] * low, sizes[n][0] * high, sizes[n][1] * high) for n, low, high in listed
    ]
    boxes = pd.DataFrame(
        [_box(image, box) for (image, *_), box in zip(listed, corners, strict=True)],
        columns=["image", "structure", *CORNERS],
    ).astype(dict.fromkeys(CORNERS, float))
    preparation = Preparation(64, 64, aspect, mask_overlays=False)
    moved = move_boxes(boxes, _accepted(sizes), preparation)
    assert list(moved["image"]) == [image for image, *_ in listed]
    for (image, *_), before, after in zip(listed, corners, moved[CORNERS].to_numpy(), strict=True):
        expected = preparation.placement(*sizes[image]).to_prepared(np.array([before]))[0]
        np.testing.assert_allclose(after, expected, atol=0.001)


def test_a_recovered_image_is_taken_from_where_validate_left_it(work):
    validate = work / "data/structures/validate"
    rows = _accepted({"a": (640, 432), "b.rf.1": (640, 432)})
    rows["file"], rows["source_image"] = ["a.png", "b.rf.1.png"], ["a", "b"]
    for folder, level in ((validate / "recovered/images", 200), (work / "data/structures/pull/images", 100)):
        folder.mkdir(parents=True)
        for name in ("a", "b.rf.1"):
            write_png(np.full((432, 640), level, np.uint8), folder / f"{name}.png")
    write_csv(rows, validate / "accepted.csv")
    write_csv(box_table([]).drop(columns="file"), validate / "boxes.csv")
    run("structures")
    prepared = stored_in(work / "data/structures/prepare/images")
    assert {name: int(part.read().max()) for name, part in prepared.items()} == {
        "a": 200,
        "b.rf.1": 100,
    }


def test_a_pack_holds_one_patients_images_and_an_image_of_nobody_has_its_own(work):
    images = {"a1": "a", "b1": "b", "a2": "a", "x": "", "y": ""}
    rows = _accepted(dict.fromkeys(images, (70, 50))).assign(patient=[images[image] for image in sorted(images)])
    for image in images:
        path = work / f"data/planes/pull/images/in/{image}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(np.full((50, 70), 9, np.uint8), path)
    write_csv(box_table([]).drop(columns="file"), work / "data/planes/validate/boxes.csv")
    write_csv(rows, work / "data/planes/validate/accepted.csv")
    run("planes")
    together = {}
    for image, part in stored_in(work / "data/planes/prepare/images").items():
        together.setdefault(part.file.name, []).append(image)
    assert sorted(together.values()) == [["a1", "a2"], ["b1"], ["x"], ["y"]]
    (name_of_a,) = (name for name, held in together.items() if held == ["a1", "a2"])
    assert name_of_a == pack_name("a", "a1")
