"""Whether `prepare` needs more memory for more images.

Runs the real stage, `python -m sonotrace prepare planes`, on a small and on a large set, in turns,
and compares the peak memory of its process (`ru_maxrss`). The small set are phantom images, drawn
here. The large set consists of hard links to the same files under other names, since to draw so
many would take long: the stage decodes and writes every one of them all the same. Both stand in a
temporary folder, with the repository's params.yaml and the tables that the stage reads.

    PYTHONPATH=src python benchmarks/prepare_memory.py [--small 1000] [--large 20000] [--rounds 3]

Needs 300 KB of disk for each small and 50 KB for each image prepared, in the folder of TMPDIR.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
from measure import REPOSITORY, alternate, print_table, ratio, spread, tell

from sonotrace.manifest import box_table, image_table
from sonotrace.outputs import write_csv
from sonotrace.parallel import available_cores
from sonotrace.sources.phantom import snapshot

# A process starts with the peak of the one that started it, so one that imports next to nothing
# stands between this one and the stage.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--small", type=int, default=1000, help="phantom images to draw")
    arguments.add_argument("--large", type=int, default=20000, help="hard links to them")
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as work:
        tell(f"drawing {options.small} phantom images")
        drawn = draw(options.small, Path(work) / "drawn")
        small = lay_out(drawn, options.small, Path(work) / "small")
        large = lay_out(drawn, options.large, Path(work) / "large")
        peaks = alternate({"small": lambda: peak(small), "large": lambda: peak(large)}, options.rounds)
    rows = (
        ("small", f"{options.small} phantoms"),
        ("large", f"{options.large} hard links to the {options.small} phantoms"),
    )
    print_table(
        [f"images prepared, {available_cores()} cores, {options.rounds} rounds", "peak memory, MiB", "ratio to small"],
        [(what, spread(peaks[side], 1), ratio(peaks[side], peaks["small"])) for side, what in rows],
    )


def draw(images: int, into: Path) -> dict[Path, tuple[int, int]]:
    """Draw phantom planes; return file -> width, height in px."""
    into.mkdir()
    origin = REPOSITORY / "data/phantom/planes"
    snapshot("planes", origin, {"images": images, "seed": 1}, into, available_cores(), lambda _: None)
    shapes = {file: cv2.imread(str(file), cv2.IMREAD_GRAYSCALE).shape for file in sorted(into.glob("images/*.png"))}
    return {file: (width, height) for file, (height, width) in shapes.items()}


def lay_out(drawn: dict[Path, tuple[int, int]], images: int, work: Path) -> Path:
    """Make a working folder in which prepare finds `images` planes, linked over and over."""
    pulled, validated = work / "data/planes/pull/images", work / "data/planes/validate"
    pulled.mkdir(parents=True)
    shutil.copy(REPOSITORY / "params.yaml", work)
    files, rows = list(drawn.items()), []
    for number in range(images):
        file, (width, height) = files[number % len(files)]
        image = f"{file.stem}_link{number // len(files)}"
        (pulled / f"{image}.png").hardlink_to(file)
        rows.append({"image": image, "file": f"{image}.png", "width": width, "height": height})
    write_csv(image_table(rows), validated / "accepted.csv")
    write_csv(box_table([]), validated / "boxes.csv")
    return work


def peak(work: Path) -> float:
    """Run the stage in `work`, and return its peak memory in MiB."""
    stage = [sys.executable, "-m", "sonotrace", "prepare", "planes"]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *stage],
        cwd=work,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src")},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return int(done.stdout) / 1024


if __name__ == "__main__":
    main()
