"""How fast `prepare` and `validate` are, against decoding alone.

The reference reads and decodes the files with OpenCV (`cv2.imdecode`, IMREAD_GRAYSCALE) in a plain
thread pool on all cores, one OpenCV thread each: no way to prepare them is faster than that. The
project's sides are its own loops: `stages.prepare.prepare_images`, with the published preparation
(256x256, stretch), once more with `mask_overlays: true`, which writes PNGs to a temporary folder
whose removal is not counted, and `stages.validate.inspect`. Every round takes all files once on each
side, from a warm page cache.

A second table says where the time goes: each step alone, one thread.

    PYTHONPATH=src python benchmarks/prepare.py IMAGES_DIR [--rounds 5]

IMAGES_DIR: PNG and JPEG files, also in folders below, such as data/planes/pull/images.
"""

import argparse
import contextlib
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from measure import alternate, print_table, ratio, spread, tell, timed

from sonotrace.checks.decoding import inspect
from sonotrace.images.grey import STORED, read_grey, write_png
from sonotrace.images.preparation import Preparation, without_overlays
from sonotrace.images.prepared import Accepted, open_cache, prepare_images
from sonotrace.labels.listing import images_below
from sonotrace.running.parallel import available_cores

PUBLISHED = Preparation(width=256, height=256, aspect="stretch", mask_overlays=False)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("images", type=Path, metavar="IMAGES_DIR")
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    cv2.setNumThreads(1)
    files = images_below(options.images)
    tell(f"{len(files)} images, {available_cores()} cores")
    for file in files:
        file.read_bytes()
    reference = "decoding alone, OpenCV"
    rates = alternate(
        {
            reference: lambda: len(files) / timed(lambda: decode_all(files)),
            "prepare": lambda: prepare_rate(PUBLISHED, files),
            "validate": lambda: validate_rate(files),
            "prepare, mask_overlays": lambda: prepare_rate(replace(PUBLISHED, mask_overlays=True), files),
        },
        options.rounds,
    )
    print_table(
        [f"{len(files)} images, {available_cores()} cores, {options.rounds} rounds", "images/s", "ratio to decoding"],
        [(name, spread(values, 0), ratio(values, rates[reference])) for name, values in rates.items()],
    )
    print_table(
        ["step, one thread", "ms an image", "share of prepare"],
        [(step, f"{each:.2f}", share) for step, each, share in breakdown(files)],
    )


def decode_all(files: list[Path]) -> None:
    def decode(file: Path) -> None:
        cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)

    with ThreadPoolExecutor(available_cores()) as pool:
        for _ in pool.map(decode, files):
            pass


def prepare_rate(preparation: Preparation, files: list[Path]) -> float:
    """Return images/s of the stage's loop; the patient is the beginning of the file name."""
    rows = [Accepted(str(number), file, "", file.name.split("_")[0]) for number, file in enumerate(files)]
    with tempfile.TemporaryDirectory() as target:
        cache = open_cache(preparation, Path(target))  # no DVC repository, so nothing is taken over

        def loop() -> None:
            for _ in prepare_images(preparation, rows, Path(target), cache):
                pass

        return len(files) / timed(loop)


def validate_rate(files: list[Path]) -> float:
    """Return images/s of the stage's loop, in a folder where nothing is known from before."""
    names = [str(file.resolve()) for file in files]
    manifest = pd.DataFrame({"image": names, "file": names, "sha256": names})
    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty):
        return len(files) / timed(lambda: inspect(manifest, Path(), "planes"))


def breakdown(files: list[Path]) -> list[tuple[str, float, str]]:
    """Return step, mean ms an image, and share of what prepare does without mask_overlays."""
    seconds: dict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as target:
        for number, file in enumerate(files):
            marks = [time.perf_counter()]
            image = read_grey(file)
            marks.append(time.perf_counter())
            prepared = PUBLISHED.apply(image)
            marks.append(time.perf_counter())
            write_png(prepared, Path(target) / f"{number}.png", STORED)
            marks.append(time.perf_counter())
            without_overlays(image)
            marks.append(time.perf_counter())
            steps = ("read and decode", "resize", "encode and write", "mask_overlays, where it is on")
            for step, start, end in zip(steps, marks, marks[1:], strict=False):
                seconds[step] += end - start
    whole = sum(seconds.values()) - seconds["mask_overlays, where it is on"]
    return [(step, 1000 * spent / len(files), f"{spent / whole:.0%}") for step, spent in seconds.items()]


if __name__ == "__main__":
    main()
