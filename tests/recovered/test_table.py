"""Each recovered source replaces its copies; copies of sources that cannot be recovered are quarantined."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from turned_copies import drawn, turn

from sonotrace.images.boxes import overlap
from sonotrace.images.grey import read_grey, write_png
from sonotrace.recovered.table import leave_copies, recover_sources
from sonotrace.tables import CORNERS, box_table, image_table, is_recovered, read_table

SOURCES = {"001_HC_png": (1, (0, 5, -7)), "002_HC_png": (2, (8, 3, 0)), "003_HC_png": (3, (0,))}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """Return the folder and tables of three sources, one of them with one copy only, and an image without source."""
    top = tmp_path_factory.mktemp("snapshot")
    rows, boxes = [], []
    for name, (seed, angles) in SOURCES.items():
        for number, angle in enumerate(angles):
            rows.append(_add(top, boxes, f"{name}.rf.{number}", name, turn(drawn(seed), angle)))
    rows.append(_add(top, boxes, "other", "", drawn(4)))
    return top, image_table(rows), box_table(boxes)


def _add(top, boxes, image, source, copy):
    file = f"{image}.png"
    write_png(copy.image, top / file)
    for structure, corners in zip(copy.structures, copy.corners, strict=True):
        boxes.append({"image": image, "file": file, "structure": structure, **dict(zip(CORNERS, corners, strict=True))})
    height, width = copy.image.shape
    sha256 = hashlib.sha256((top / file).read_bytes()).hexdigest()
    texts = dict.fromkeys(("label", "scanner", "site", "mm_per_px_x", "mm_per_px_y", "refused"), "")
    return texts | {
        "image": image, "file": file, "sha256": sha256, "patient": image[:3], "source_image": source,
        "width": width, "height": height, "labelled_by": f"{image}.txt", "official_split": "train",
    }  # fmt: skip


@pytest.fixture(scope="module")
def recovered(snapshot, tmp_path_factory):
    into = tmp_path_factory.mktemp("recovered")
    top, accepted, boxes = snapshot
    return into, recover_sources(accepted, boxes, top, into)


def test_a_source_takes_the_place_of_its_copies(snapshot, recovered):
    _, accepted, _ = snapshot
    into, found = recovered
    assert list(found.accepted["image"]) == ["001_HC_png", "002_HC_png", "003_HC_png.rf.0", "other"]
    assert is_recovered(found.accepted).tolist() == [True, True, False, False]
    assert list(found.accepted["patient"]) == ["001", "002", "003", "oth"]
    assert (found.accepted.dtypes == accepted.dtypes).all()
    for row in found.accepted[is_recovered(found.accepted)].itertuples():
        content = (into / "images" / row.file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row.sha256
        assert read_grey(into / "images" / row.file).shape == (row.height, row.width)
    assert found.apart.empty


def test_its_boxes_are_those_before_the_turn(snapshot, recovered):
    _, _, boxes = snapshot
    _, found = recovered
    for name in ("001_HC_png", "002_HC_png"):
        rows, truth = found.boxes[found.boxes["image"] == name], drawn(SOURCES[name][0])
        assert list(rows["structure"]) == truth.structures
        shared = np.diag(overlap(rows[CORNERS].to_numpy(), truth.corners))
        assert shared.min() > 0.95
    left = found.boxes[found.boxes["image"] == "other"].reset_index(drop=True)
    pd.testing.assert_frame_equal(left, boxes[boxes["image"] == "other"].reset_index(drop=True))


def test_each_exported_box_has_a_row_with_its_residual(recovered):
    into, found = recovered
    fits = read_table(into / "fits.csv")
    assert len(fits) == sum(3 * len(drawn(seed).structures) for seed, angles in SOURCES.values() if len(angles) > 1)
    assert fits.groupby("file")["turn"].first().to_dict() == {
        f"{name}.rf.{number}.png": angle
        for name, (_, angles) in SOURCES.items()
        for number, angle in enumerate(angles)
        if len(angles) > 1
    }
    assert fits["residual"].max() < 1.5
    assert (fits.loc[fits["turn"].abs() > 2, "grown"] > 1.1).all()
    summary = found.summary["recovered"]
    assert (summary["sources"], summary["sources_not_recovered"], summary["copies"]) == (2, 0, 6)


def test_each_source_has_a_picture(recovered):
    into, _ = recovered
    assert sorted(file.name for file in (into / "pictures").iterdir()) == ["001_HC_png.jpg", "002_HC_png.jpg"]
    height, width = read_grey(into / "pictures" / "001_HC_png.jpg").shape
    assert height > 432
    assert width > 4 * 640


def test_a_second_run_takes_over_what_was_recovered_and_has_the_same_bytes(snapshot, recovered, tmp_path, monkeypatch):
    top, accepted, boxes = snapshot
    into, found = recovered
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    first = recover_sources(accepted, boxes, top, tmp_path / "first")
    for name in ("001_HC_png.png", "002_HC_png.png"):  # DVC would have taken them into its cache
        _keep(tmp_path, (tmp_path / "first/images" / name).read_bytes())
        _keep(tmp_path, (tmp_path / "first/pictures" / name.replace(".png", ".jpg")).read_bytes())
    monkeypatch.setattr("sonotrace.recovered.table.recover", None)
    more = pd.concat([boxes[:1].assign(file="another.png", image="another"), boxes], ignore_index=True)
    second = recover_sources(accepted, more, top, tmp_path / "second")
    pd.testing.assert_frame_equal(first.accepted, found.accepted)
    pd.testing.assert_frame_equal(second.accepted, found.accepted)
    own = second.boxes[second.boxes["image"] != "another"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, found.boxes.reset_index(drop=True))
    for file in sorted(path.relative_to(into) for path in into.rglob("*") if path.is_file()):
        assert (tmp_path / "second" / file).read_bytes() == (into / file).read_bytes()


def _keep(top, content):
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    at = top / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_bytes(content)


def test_copies_of_different_things_are_set_apart_with_a_reason(snapshot, tmp_path):
    top, accepted, boxes = snapshot
    swapped = accepted.assign(source_image=accepted["source_image"].replace({"003_HC_png": "002_HC_png"}))
    swapped["patient"] = swapped["patient"].replace({"003": "002"})
    found = recover_sources(swapped, boxes, top, tmp_path / "recovered")
    assert list(found.accepted["image"]) == ["001_HC_png", "other"]
    assert list(found.apart["image"]) == [f"002_HC_png.rf.{number}" for number in range(3)] + ["003_HC_png.rf.0"]
    assert set(found.apart["reason"]) == {"copies do not register"}
    assert found.apart["detail"].str.startswith("copy 4 against copy 1: ").all()
    assert not set(found.boxes["image"]) & set(found.apart["image"])


def test_copies_that_are_kept_stay_as_they_are(snapshot, tmp_path):
    top, accepted, boxes = snapshot
    found = leave_copies(accepted, boxes, top, tmp_path)
    assert found.accepted is accepted
    assert found.boxes is boxes
    assert found.apart.empty
    assert found.summary == {}
    assert [path.name for path in tmp_path.iterdir()] == ["fits.csv"]
    assert read_table(tmp_path / "fits.csv").empty
