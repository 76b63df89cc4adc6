"""The phantom source: synthetic fetal ultrasound, drawn on the spot, so that nobody needs data.

Needs `scanners.yaml` in `data/phantom/<data set>`; leaves a snapshot in the form in which the real
one is published. Each image is a function of the seed and its patient's and its own number alone:
a larger snapshot begins with the images of a smaller one, however many processes draw it.
"""

import csv
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sonotrace.images.grey import write_png
from sonotrace.kinds.structures import STRUCTURES
from sonotrace.running.outputs import write_into
from sonotrace.sources import Request, Snapshot
from sonotrace.sources.phantom.anatomy import PLANES, surroundings
from sonotrace.sources.phantom.elementary import one_cpu
from sonotrace.sources.phantom.heads import augmented, head, yolo_line
from sonotrace.sources.phantom.imaging import Exposure, Grey, picture
from sonotrace.sources.phantom.scanner import Scanner, canvas_size, load_scanners
from sonotrace.sources.phantom.scene import Body, Mark, Pose, Scene

PLANE_CODES = {"Fetal abdomen": 2, "Fetal brain": 3, "Fetal femur": 5, "Fetal thorax": 6}
PLANE_SHARES = {
    "Fetal abdomen": 0.21,
    "Fetal brain": 0.34,
    "Fetal femur": 0.18,
    "Fetal thorax": 0.27,
}
IMAGES_PER_PATIENT = (0.34, 0.28, 0.18, 0.11, 0.06, 0.03)
SECOND_IMAGE_SHARE = 0.2
BATCH = 8
JPEG_OPTIONS = (cv2.IMWRITE_JPEG_QUALITY, 95)
SPLITS = ("train",) * 14 + ("valid", "test") * 3

Row = tuple[str, str]


@dataclass(frozen=True)
class Patient:
    """One patient and the images to draw of it: the first `images` of its list `planned`.

    `planned` holds the plane of each image. `scanner` and `wall` (maternal tissue, image heights)
    are shared by all images.
    """

    number: int
    scanner: Scanner
    body: Body
    wall: float
    planned: tuple[str, ...]
    images: int


@dataclass(frozen=True)
class Drawing:
    """What one process needs to draw any patient of a snapshot."""

    kind: str
    seed: int
    copies: int
    into: Path


def fetch(request: Request) -> Snapshot:
    """Draw the data set that the parameters describe."""
    params = request.params
    snapshot(request.kind, request.origin, params, request.into, request.workers, request.advance)
    return Snapshot(request.into, version=f"{params['images']} drawn from seed {params['seed']}")


def snapshot(
    kind: str,
    origin: Path,
    params: Mapping[str, Any],
    into: Path,
    workers: int,
    advance: Callable[[int], None],
) -> Path:
    """Draw the phantom data set into the empty folder `into` and return it.

    `kind` is `planes` or `structures`, `origin` the folder of its `scanners.yaml`. `params`
    holds `images` (source images), `seed` and, for structures, `copies` (augmented copies of each
    training source; 1: none). `advance(k)` is called whenever k more source images are done.
    Raises `SonotraceError` when `scanners.yaml` cannot be used.
    """
    scanners = load_scanners(origin / "scanners.yaml")
    drawing = Drawing(kind, params["seed"], params.get("copies", 1), into)
    for folder in _folders(kind):
        (into / folder).mkdir(parents=True, exist_ok=True)
    patients = _patients(drawing, scanners, params["images"])
    rows: list[Row] = []
    for drawn in _drawn(partial(_draw_batch, drawing), _batches(patients), workers):
        rows.extend(drawn)
        advance(len(drawn))
    if kind == "planes":
        _write_label_table(into / "image_label.csv", rows)
    else:
        write_into(into / "data.yaml", _data_yaml().encode())
    return into


def _folders(kind: str) -> list[str]:
    if kind == "planes":
        return ["images"]
    return [f"{split}/{part}" for split in sorted(set(SPLITS)) for part in ("images", "labels")]


def _random(drawing: Drawing, patient: int, image: int = 0) -> np.random.Generator:
    """Randomness of one patient, or of its image counted from 1."""
    kind = list(KINDS).index(drawing.kind)
    return np.random.default_rng([drawing.seed, 1 + kind, patient, image])


def _patients(drawing: Drawing, scanners: tuple[Scanner, ...], images: int) -> Iterator[Patient]:
    """Yield patients in order until their images add up; only the last one is cut short."""
    shares = np.array([scanner.share for scanner in scanners])
    plan = KINDS[drawing.kind][0]
    number = 0
    while images > 0:
        number += 1
        rng = _random(drawing, number)
        planned = plan(rng)
        yield Patient(
            number=number,
            scanner=scanners[rng.choice(len(scanners), p=shares / shares.sum())],
            body=Body.draw(rng),
            wall=rng.uniform(0.04, 0.22),
            planned=planned,
            images=min(images, len(planned)),
        )
        images -= len(planned)


def _plan_planes(rng: np.random.Generator) -> tuple[str, ...]:
    count = 1 + rng.choice(len(IMAGES_PER_PATIENT), p=IMAGES_PER_PATIENT)
    names, shares = list(PLANE_SHARES), list(PLANE_SHARES.values())
    return tuple(names[index] for index in rng.choice(len(names), size=count, p=shares))


def _plan_structures(rng: np.random.Generator) -> tuple[str, ...]:
    return ("Fetal brain",) * (2 if rng.random() < SECOND_IMAGE_SHARE else 1)


def _batches(patients: Iterator[Patient]) -> Iterator[list[Patient]]:
    """Group patients so that each group has at least `BATCH` images, the last one excepted."""
    batch: list[Patient] = []
    for patient in patients:
        batch.append(patient)
        if sum(member.images for member in batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _drawn(
    draw: Callable[[list[Patient]], list[Row]], batches: Iterator[list[Patient]], workers: int
) -> Iterator[list[Row]]:
    """Draw batches in this process or in `workers` others, a bounded number at a time."""
    pool = _pool(workers) if workers > 1 else None
    if pool is None:
        yield from map(draw, batches)
        return
    under_way: deque[Future[list[Row]]] = deque()
    with pool:
        try:
            for batch in batches:
                under_way.append(pool.submit(draw, batch))
                if len(under_way) > 2 * workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


def _pool(workers: int) -> ProcessPoolExecutor | None:
    """Return a pool of processes, or None where /dev/shm, which holds their locks, is missing or read-only."""
    try:
        return ProcessPoolExecutor(workers, get_context("spawn"))
    except OSError:
        return None


def _draw_batch(drawing: Drawing, patients: list[Patient]) -> list[Row]:
    draw = KINDS[drawing.kind][1]
    with one_cpu():
        return [row for patient in patients for row in draw(drawing, patient)]


def _draw_planes(drawing: Drawing, patient: Patient) -> list[Row]:
    """Draw and write one patient's plane images; return the names and labels of those drawn."""
    rows = []
    for index, plane in enumerate(patient.planned[: patient.images]):
        rng = _random(drawing, patient.number, index + 1)
        exposure = Exposure.draw(patient.scanner, patient.wall, rng)
        canvas = canvas_size(exposure.width, exposure.height)
        scene = Scene.blank(*canvas, patient.body, rng)
        pose = _plane_pose(plane, exposure, patient.body, rng)
        surroundings(scene, pose, patient.body)
        PLANES[plane](scene, pose, patient.body)
        image = picture(scene, patient.scanner, exposure, rng)
        ordinal, total = patient.planned[: index + 1].count(plane), patient.planned.count(plane)
        name = f"Patient{patient.number:05d}_Plane{PLANE_CODES[plane]}_{ordinal}_of_{total}"
        write_png(image, drawing.into / "images" / f"{name}.png")
        rows.append((name, plane))
    return rows


def _plane_pose(plane: str, exposure: Exposure, body: Body, rng: np.random.Generator) -> Pose:
    """Draw where the body lies.

    Any angle occurs; heads and femurs mostly lie across the beam, as one scans them.
    """
    x, y = exposure.sector.centre
    width, height = canvas_size(exposure.width, exposure.height)
    size = body.size * rng.uniform(0.3, 0.5)
    across = plane in ("Fetal brain", "Fetal femur") and rng.random() < 0.8
    tilt = rng.normal(0, 0.3) + np.pi * rng.integers(2) if across else rng.uniform(0, 2 * np.pi)
    return Pose(
        x=(x + rng.uniform(-0.12, 0.12)) * width,
        y=(y + rng.uniform(-0.08, 0.14)) * height,
        size=size * height,
        turn=tilt,
        mirrored=bool(rng.integers(2)),
    )


def _draw_structures(drawing: Drawing, patient: Patient) -> list[Row]:
    """Draw and write one subject's head images with their boxes; return stems and splits."""
    rows = []
    split = SPLITS[patient.number * 7 % len(SPLITS)]
    for index in range(patient.images):
        rng = _random(drawing, patient.number, index + 1)
        image, marks = head(patient.scanner, patient.body, 0.5 * patient.wall, rng)
        source = f"{patient.number:03d}_{'2' if index else ''}HC_png"
        for copy in range(drawing.copies if split == "train" else 1):
            key = f"{drawing.seed}/{source}/{copy}".encode()
            stem = f"{source}.rf.{hashlib.blake2b(key, digest_size=16).hexdigest()}"
            shown = (image, marks)
            if drawing.copies > 1 and split == "train":
                shown = augmented(image, marks, rng)
            _write_labelled(drawing.into / split, stem, *shown)
        rows.append((source, split))
    return rows


def _write_labelled(folder: Path, stem: str, image: Grey, marks: list[Mark]) -> None:
    height, width = image.shape
    lines = [line for mark in marks if (line := yolo_line(mark, width, height))]
    write_into(folder / "labels" / f"{stem}.txt", ("\n".join(lines) + "\n").encode())
    write_into(folder / "images" / f"{stem}.jpg", bytes(cv2.imencode(".jpg", image, JPEG_OPTIONS)[1]))


def _write_label_table(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("Image_name", "Plane"))
        writer.writerows(sorted(rows))


def _data_yaml() -> str:
    names = ", ".join(f"'{name}'" for name in STRUCTURES)
    return (
        "# Synthetic phantoms drawn by sonotrace, in the form of a Roboflow YOLOv8 export.\n"
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\n"
        f"nc: {len(STRUCTURES)}\nnames: [{names}]\n"
    )


Plan = Callable[[np.random.Generator], tuple[str, ...]]
Draw = Callable[[Drawing, Patient], list[Row]]
KINDS: dict[str, tuple[Plan, Draw]] = {
    "planes": (_plan_planes, _draw_planes),
    "structures": (_plan_structures, _draw_structures),
}
