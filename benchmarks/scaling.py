"""How time and memory grow with the number of images, where images are small.

Noise of 32x32 px stands in for images, so that what is counted is the work around them: tables,
indices, files. For each size a process of its own runs a stage from nothing and again, when all is
known from before; CPU time, peak memory and both per image are printed. `split` has no second way.

    PYTHONPATH=src python benchmarks/scaling.py [--sizes 1000 10000 100000] [--at FOLDER]
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import yaml
from measure import REPOSITORY, print_table, tell

from sonotrace.running.outputs import write_csv, write_json
from sonotrace.running.parallel import available_cores
from sonotrace.tables import IMAGE_COLUMNS, box_table, image_table

RUNS = ("validate", "validate again", "split", "prepare", "prepare again")
PLANES = ("Fetal abdomen", "Fetal brain", "Fetal femur", "Fetal thorax")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    arguments.add_argument("--at", type=Path, metavar="FOLDER")
    options = arguments.parse_args()
    rows = []
    for size in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.at) as work:
            set_up(Path(work), size)
            start = measure(Path(work), "split", "--help")
            for what in RUNS:
                stage = what.split()[0]
                seconds, mebibytes = measure(Path(work), stage, "planes")
                tell(f"{size}: {what}: {seconds:.1f} s, {mebibytes:.0f} MiB")
                own = seconds - start[0]
                rows.append((size, what, f"{own:.1f}", f"{1e6 * own / size:.0f}", f"{mebibytes:.0f}"))
                if what == "prepare":
                    store(Path(work))
    title = f"images of 32x32 px, {available_cores()} cores"
    print_table([title, "stage", "CPU s", "microseconds an image", "peak memory, MiB"], rows)


def set_up(work: Path, size: int) -> None:
    """Lay out what pull would leave, three images a patient."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["prepare"]["planes"] |= {"width": 32, "height": 32}
    (work / "params.yaml").write_text(yaml.safe_dump(params))
    (work / ".dvc").mkdir()
    images = work / "data/planes/pull/images"
    images.mkdir(parents=True)
    random = np.random.default_rng(1)
    rows = []
    for number in range(size):
        content = cv2.imencode(".png", random.integers(0, 256, (32, 32), np.uint8))[1].tobytes()
        name = f"Patient{number // 3:06}_{number % 3}"
        (images / f"{name}.png").write_bytes(content)
        known = {
            "image": name,
            "file": f"{name}.png",
            "sha256": hashlib.sha256(content).hexdigest(),
            "patient": f"{number // 3:06}",
            "width": 32,
            "height": 32,
            "label": PLANES[number % 4],
            "labelled_by": f"image_label.csv:{number + 2}",
        }
        rows.append(dict.fromkeys(IMAGE_COLUMNS, "") | known)
    write_csv(image_table(rows), work / "data/planes/pull/manifest.csv")
    write_csv(box_table([]), work / "data/planes/pull/boxes.csv")
    write_json({"source": "phantom", "augmentation": {}}, work / "reports/planes/snapshot.json")


def measure(work: Path, *arguments: str) -> tuple[float, float]:
    """Return CPU seconds and peak memory in MiB of a command of sonotrace."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    command = [sys.executable, "-m", "sonotrace", *arguments]
    process = subprocess.Popen(command, cwd=work, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def store(work: Path) -> None:
    """Keep the prepared images in a cache, as DVC does, and take them from the workspace."""
    for image in sorted((work / "data/planes/prepare/images").iterdir()):
        md5 = hashlib.md5(image.read_bytes(), usedforsecurity=False).hexdigest()
        at = work / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
        at.parent.mkdir(parents=True, exist_ok=True)
        image.replace(at)
    shutil.rmtree(work / "data/planes/prepare")


if __name__ == "__main__":
    main()
