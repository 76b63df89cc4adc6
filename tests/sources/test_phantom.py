"""The phantom source: same images for the same seed, in the published forms, learnable by shape."""

import csv
import hashlib
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from sonotrace.errors import SonotraceError
from sonotrace.sources import phantom
from sonotrace.sources.phantom.heads import augmented, head, yolo_line
from sonotrace.sources.phantom.imaging import Exposure, picture
from sonotrace.sources.phantom.scanner import canvas_size, load_scanners
from sonotrace.sources.phantom.scene import Body, Mark, Pose, Scene

ORIGIN = Path(__file__).parents[2] / "data" / "phantom"
PLANE_OF_CODE = {"2": "Fetal abdomen", "3": "Fetal brain", "5": "Fetal femur", "6": "Fetal thorax"}
NAME = re.compile(r"Patient(\d{5})_Plane([2356])_(\d)_of_(\d)")


def _draw(into, data_set="planes", workers=1, advance=lambda _: None, **params):
    into.mkdir()
    params = {"images": 8, "seed": 3, **params}
    return phantom.snapshot(data_set, ORIGIN / data_set, params, into, workers, advance)


def _digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digest = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    return {path.relative_to(folder).as_posix(): digest[path] for path in files}


def _rows(folder):
    with (folder / "image_label.csv").open(newline="") as file:
        return [(row["Image_name"], row["Plane"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def planes(tmp_path_factory):
    return _draw(tmp_path_factory.mktemp("phantom") / "planes", images=64)


@pytest.fixture(scope="module")
def structures(tmp_path_factory):
    return _draw(tmp_path_factory.mktemp("phantom") / "structures", "structures", images=14)


def test_a_smaller_snapshot_is_the_beginning_of_a_larger_one(planes, tmp_path):
    whole = _digests(planes / "images")
    for images in (7, 8):
        part = _digests(_draw(tmp_path / str(images), images=images) / "images")
        assert len(part) == images
        assert part.items() <= whole.items()


def test_the_number_of_workers_or_threads_changes_nothing(planes, tmp_path):
    threads = cv2.getNumThreads()
    cv2.setNumThreads(4)
    shared = _draw(tmp_path / "planes", workers=2, images=12)
    alone = _draw(tmp_path / "alone", images=3)
    assert cv2.getNumThreads() == 4
    cv2.setNumThreads(threads)
    assert _digests(alone / "images").items() <= _digests(planes / "images").items()
    assert _digests(shared / "images").items() <= _digests(planes / "images").items()
    assert [name for name, _ in _rows(shared)] == sorted(p.stem for p in shared.rglob("*.png"))


def test_another_seed_draws_other_images(planes, tmp_path):
    other = _digests(_draw(tmp_path / "other", seed=4) / "images")
    assert not set(other.values()) & set(_digests(planes / "images").values())


def test_every_image_done_is_reported(tmp_path):
    done = []
    _draw(tmp_path / "planes", images=11, advance=done.append)
    assert sum(done) == 11
    assert len(done) > 1


def test_label_table_and_files_agree(planes):
    rows = _rows(planes)
    assert rows == sorted(rows)
    assert [name for name, _ in rows] == sorted(p.stem for p in (planes / "images").glob("*.png"))
    matches = [NAME.fullmatch(name) for name, _ in rows]
    assert [PLANE_OF_CODE[match[2]] for match in matches] == [plane for _, plane in rows]


def test_each_patient_counts_its_images_of_a_plane_from_one(planes):
    found = [NAME.fullmatch(name).groups() for name, _ in _rows(planes)]
    cut = max(patient for patient, *_ in found)
    for (patient, plane), count in Counter((p, c) for p, c, *_ in found if p != cut).items():
        own = [(int(k), int(n)) for p, c, k, n in found if (p, c) == (patient, plane)]
        assert sorted(own) == [(k, count) for k in range(1, count + 1)]


def test_patients_and_planes_come_in_the_published_shares():
    drawing = phantom.Drawing("planes", 1, 1, Path())
    scanners = load_scanners(ORIGIN / "planes" / "scanners.yaml")
    patients = list(phantom._patients(drawing, scanners, 8000))
    planned = Counter(plane for patient in patients for plane in patient.planned)
    for plane, share in phantom.PLANE_SHARES.items():
        assert planned[plane] / planned.total() == pytest.approx(share, abs=0.02)
    per_patient = Counter(len(patient.planned) for patient in patients)
    assert set(per_patient) == set(range(1, 7))
    brains = Counter(p.scanner.name for p in patients for q in p.planned if q == "Fetal brain")
    machines = Counter(p.scanner.name for p in patients for _ in p.planned)
    for machine, count in machines.items():
        expected = count / machines.total()
        assert brains[machine] / brains.total() == pytest.approx(expected, abs=0.03)


def test_sizes_lie_within_those_of_the_real_images(planes):
    shapes = {cv2.imread(str(p), cv2.IMREAD_UNCHANGED).shape for p in planes.rglob("*.png")}
    assert len(shapes) >= 4
    assert all(len(shape) == 2 for shape in shapes)
    assert all(640 <= width <= 1495 and 392 <= height <= 787 for height, width in shapes)


def test_grey_levels_and_size_do_not_give_the_plane_away(planes):
    rows = _rows(planes)
    patients = np.array([int(NAME.fullmatch(name)[1]) for name, _ in rows])
    labels = np.array([sorted(PLANE_OF_CODE.values()).index(plane) for _, plane in rows])
    features = np.array([_histogram(planes / "images" / f"{name}.png") for name, _ in rows])
    features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-9)
    found = np.empty_like(labels)
    for fold in range(4):
        held = patients % 4 == fold
        found[held] = _logistic_regression(features[~held], labels[~held], features[held])
    assert (found == labels).mean() < 0.5


def _logistic_regression(features, labels, unseen):
    known = np.eye(4)[labels]
    weights = np.zeros((features.shape[1], 4))
    for _ in range(1500):
        odds = np.exp(features @ weights)
        error = odds / odds.sum(axis=1, keepdims=True) - known
        weights -= 0.3 * (features.T @ error / len(features) + 0.01 * weights)
    return (unseen @ weights).argmax(axis=1)


def _histogram(path):
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    counts = np.bincount(image.ravel() // 16, minlength=16)
    return [*(counts / image.size), image.shape[1], image.shape[0]]


def test_the_export_has_the_form_of_roboflow(structures):
    card = yaml.safe_load((structures / "data.yaml").read_text())
    assert card["names"] == ["CHOROID_PLEXUS", "CSP", "MIDLINE_FALX"]
    assert (card["train"], card["val"]) == ("../train/images", "../valid/images")
    assert "roboflow" not in card
    images = sorted(structures.rglob("*.jpg"))
    assert len(images) == 14
    for image in images:
        assert re.fullmatch(r"\d{3}_2?HC_png\.rf\.[0-9a-f]{32}", image.stem)
        assert cv2.imread(str(image), cv2.IMREAD_GRAYSCALE).shape == (432, 640)
        assert (image.parents[1] / "labels" / f"{image.stem}.txt").exists()


def test_a_subject_stays_in_one_split_and_no_split_is_empty(structures):
    splits = {}
    for image in structures.rglob("*.jpg"):
        splits.setdefault(image.name[:3], set()).add(image.parts[-3])
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) == {"train", "valid", "test"}


def test_each_head_has_one_falx_one_csp_and_one_or_two_plexus_within_the_image(structures):
    for label in structures.rglob("*.txt"):
        values = np.array([line.split() for line in label.read_text().splitlines()], float)
        classes = Counter(values[:, 0].astype(int))
        assert (classes[1], classes[2]) == (1, 1)
        assert classes[0] in (1, 2)
        centre, extent = values[:, 1:3], values[:, 3:5]
        assert (extent > 0.004).all()
        assert (centre - extent / 2 >= -1e-6).all()
        assert (centre + extent / 2 <= 1 + 1e-6).all()


def test_boxes_sit_on_what_was_drawn(structures):
    """A plexus is brighter than the ventricle around it; a CSP is dark between two bright lines."""
    plexus, cavity, walls = [], [], []
    for label in structures.rglob("*.txt"):
        image = cv2.imread(str(label).replace("labels", "images")[:-3] + "jpg", 0).astype(float)
        for line in label.read_text().splitlines():
            index, *numbers = line.split()
            cx, cy, w, h = np.array(numbers, float) * [640, 432, 640, 432]
            whole = _mean(image, cx, cy, w, h)
            if index == "0":
                inner, outer = (
                    _mean(image, cx, cy, 0.6 * w, 0.6 * h),
                    _mean(image, cx, cy, 2 * w, 2 * h),
                )
                plexus.append(inner > outer)
            elif index == "1":
                cavity.append(_mean(image, cx, cy, 0.5 * w, 0.1 * h) < whole)
                walls.append(whole > _mean(image, cx, cy, 1.2 * w, 2.5 * h))
    assert np.mean(plexus) > 0.9
    assert np.mean(cavity) > 0.8
    assert np.mean(walls) > 0.8


def _mean(image, cx, cy, width, height):
    x0, y0 = max(0, round(cx - width / 2)), max(0, round(cy - height / 2))
    return image[y0 : round(cy + height / 2) + 1, x0 : round(cx + width / 2) + 1].mean()


def test_only_training_sources_are_copied(structures, tmp_path):
    copied = _draw(tmp_path / "copied", "structures", images=9, copies=3)
    for split, copies in (("train", 3), ("valid", 1), ("test", 1)):
        counts = Counter(p.name.split(".rf.")[0] for p in (copied / split / "images").iterdir())
        assert counts
        assert set(counts.values()) == {copies}
    untouched = _digests(copied / "valid").items() | _digests(copied / "test").items()
    assert untouched <= _digests(structures / "valid").items() | _digests(structures / "test").items()
    train = _digests(copied / "train" / "images")
    assert len(set(train.values())) == len(train)


@pytest.mark.parametrize("seed", range(5))
def test_marks_follow_the_augmentation(seed):
    rng = np.random.default_rng(seed)
    corners = np.array([(200, 150), (320, 150), (320, 200), (200, 200)], np.float32)
    image = cv2.fillPoly(np.zeros((432, 640), np.uint8), [corners.astype(np.int32)], 255)
    turned, (mark,) = augmented(image, [Mark("CSP", corners, 0.0)], rng)
    y, x = np.nonzero(turned > 100)
    assert mark.outline.min(axis=0) == pytest.approx([x.min(), y.min()], abs=2)
    assert mark.outline.max(axis=0) == pytest.approx([x.max(), y.max()], abs=2)
    edge = mark.outline[1] - mark.outline[0]
    assert 5 <= abs(np.degrees(np.arctan2(edge[1], edge[0]))) <= 10


def test_a_yolo_line_bounds_the_outline_with_its_stroke_and_is_clipped():
    outline = np.array([(10, 20), (60, 30)], np.float32)
    assert yolo_line(Mark("CSP", outline, 2.0), 100, 50) == "1 0.350000 0.500000 0.540000 0.280000"
    assert yolo_line(Mark("CSP", outline - [20, 0], 2.0), 100, 50).startswith("1 0.210000 0.5")
    assert yolo_line(Mark("CSP", outline - [70, 0], 2.0), 100, 50) is None


def test_a_pose_turns_and_scales_and_moves():
    point = np.array([(1, 0), (0, 1)], np.float32)
    turned = Pose(50, 60, 10, np.pi / 2, mirrored=False).place(point)
    assert turned == pytest.approx(np.array([(50, 70), (40, 60)]))
    mirrored = Pose(50, 60, 10, 0, mirrored=True).place(point)
    assert mirrored == pytest.approx(np.array([(60, 60), (50, 50)]))


def test_the_falx_ends_within_frame_and_sector():
    for number, scanner in enumerate(load_scanners(ORIGIN / "structures" / "scanners.yaml")):
        rng = np.random.default_rng(number)
        image, marks = head(scanner, Body.draw(rng), 0.05, rng)
        (falx,) = [mark for mark in marks if mark.structure == "MIDLINE_FALX"]
        height, width = image.shape
        assert any(s.holds(falx.outline / height, width / height) for s in scanner.sectors)


@pytest.mark.parametrize("number", range(4))
def test_the_picture_shows_the_sector_and_black_around_it(number):
    scanner = load_scanners(ORIGIN / "planes" / "scanners.yaml")[number]
    rng = np.random.default_rng(1)
    exposure = Exposure.draw(scanner, 0.1, rng)
    size = canvas_size(exposure.width, exposure.height)
    image = picture(Scene.blank(*size, Body.draw(rng), rng), scanner, exposure, rng)
    sector, half = exposure.sector, np.radians(exposure.sector.opening / 2)
    y, x = np.mgrid[: exposure.height, : exposure.width] / exposure.height
    x, y = x - sector.apex_x * exposure.width / exposure.height, y - sector.apex_y
    depth, angle = np.hypot(x, y), np.abs(np.arctan2(x, y))
    inside = (depth > sector.near) & (depth < sector.far) & (angle < half)
    outside = (depth < sector.near - 0.02) | (depth > sector.far + 0.02) | (angle > half + 0.02)
    edges = slice(exposure.height // 5, 4 * exposure.height // 5), slice(40, exposure.width - 40)
    assert image[edges][outside[edges]].max(initial=0) == 0
    assert image[inside].mean() == pytest.approx(exposure.grey, rel=0.35)


@pytest.mark.parametrize(
    ("break_it", "key"),
    [
        (lambda s: s.pop("gain"), r"scanners\[1\]\.gain is missing"),
        (lambda s: s["grain"].pop("axial"), r"scanners\[1\]\.grain\.axial is missing"),
        (lambda s: s["sectors"][0].pop("depth"), r"scanners\[1\]\.sectors\[0\]\.depth is missing"),
        (lambda s: s.update(share="half"), r"scanners\[1\]\.share must be a number above 0"),
        (lambda s: s.update(ruler="top"), r"scanners\[1\]\.ruler must be one of left, right"),
        (lambda s: s["text"].update(lines=["{patient}"]), r"scanners\[1\]\.text\.lines may only"),
        (lambda s: s.update(sizes=[[640]]), r"scanners\[1\]\.sizes must hold"),
        (
            lambda s: s["sectors"][0].update(apex=[0.5, 3.0]),
            r"sectors\[0\]\.apex must let the beam",
        ),
    ],
)
def test_an_unusable_scanner_is_refused_by_file_and_key(tmp_path, break_it, key):
    document = yaml.safe_load((ORIGIN / "planes" / "scanners.yaml").read_text())
    break_it(document["scanners"][1])
    (tmp_path / "scanners.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(SonotraceError, match=f"scanners.yaml: .*{key}"):
        load_scanners(tmp_path / "scanners.yaml")


def test_a_missing_scanner_file_is_named(tmp_path):
    with pytest.raises(SonotraceError, match=r"scanners\.yaml: cannot be read"):
        phantom.snapshot("planes", tmp_path, {"images": 1, "seed": 1}, tmp_path, 1, print)


def test_both_data_sets_know_the_same_machines():
    names = [[s.name for s in load_scanners(ORIGIN / d / "scanners.yaml")] for d in phantom.KINDS]
    assert all(a == b for a, b in pairwise(names))
