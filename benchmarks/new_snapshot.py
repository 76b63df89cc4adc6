"""What a new snapshot costs, from pull to augment, against a run from nothing.

A clone of the checkout gets the images as `data/incoming/planes`, first without the last 1 % of
patients. `dvc repro` runs pull to augment from nothing, once more with nothing changed, and then
with the missing patients added. CPU time (user and system) is counted, of all processes:

- a stage: its own process, without its start;
- process starts: the same process, importing the same modules and doing nothing;
- DVC: all the rest of `dvc repro`, such as hashing outputs and keeping them in the cache.

The stages of the run from nothing are the reference of those with 1 % new. `dvc repro` with nothing
changed is held to a bare `dvc status`, in wall time, in turns. What the DVC cache grows by is held to
the size of what changed: the new images, the packs of their prepared images and augmented copies.

    PYTHONPATH=src python benchmarks/new_snapshot.py IMAGES_DIR [--links hardlink,copy] [--rounds 5] [--at FOLDER]

IMAGES_DIR: images named after patients as `pull.planes.patient_pattern` has it, such as those that
the phantom source draws with `pull.planes.phantom.images: 12400`. `--links`: DVC's `cache.type`.
"""

import argparse
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from measure import REPOSITORY, alternate, print_table, ratio, spread, tell, timed

from sonotrace.images.packs import pack_name
from sonotrace.labels.listing import images_below
from sonotrace.running.parallel import available_cores

STAGES = ("pull", "validate", "split", "prepare", "augment")
TARGETS = [f"{stage}@planes" for stage in STAGES]
PLANES = ("Fetal abdomen", "Fetal brain", "Fetal femur", "Fetal thorax")
SHARE = 0.01


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("images", type=Path, metavar="IMAGES_DIR")
    arguments.add_argument("--links", default="reflink,copy")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--at", type=Path, metavar="FOLDER")
    options = arguments.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    images = images_below(options.images.resolve())
    by_patient: dict[str, list[Path]] = {}
    for image in images:
        by_patient.setdefault(image.name.split("_")[0], []).append(image)
    patients = sorted(by_patient)
    new = [image for patient in patients[-round(SHARE * len(patients)) :] for image in by_patient[patient]]
    with tempfile.TemporaryDirectory(dir=options.at) as work:
        checkout, log = set_up(Path(work), options.links)
        lay_in(checkout, sorted(set(images) - set(new)))
        full = repro(checkout, log, "from nothing")
        for _ in range(2):  # so that both sides find what DVC notes of files
            status(checkout)
        walls = alternate(
            {
                "dvc status": lambda: timed(lambda: status(checkout)),
                "dvc repro": lambda: timed(lambda: again(checkout)),
            },
            options.rounds,
        )
        before = size(checkout / ".dvc/cache")
        lay_in(checkout, images)
        part = repro(checkout, log, "1 % new")
        grown = size(checkout / ".dvc/cache") - before
        changed = size_of_changed(checkout, new)
        starts = {stage: start(checkout, log, stage) for stage in STAGES}
    title = f"CPU s, {len(images)} images, {len(new)} new, cache.type {options.links}, {available_cores()} cores"
    report(title, full, part, starts)
    print_table(
        [f"nothing changed, wall time, {options.rounds} rounds", "s", "ratio to dvc status"],
        [(name, spread(values, 2), ratio(values, walls["dvc status"])) for name, values in walls.items()],
    )
    print_table(
        ["disk, MB", "", "ratio"],
        [
            ("what changed", f"{changed / 10**6:.1f}", "1.00"),
            ("DVC's cache grew by", f"{grown / 10**6:.1f}", f"{grown / changed:.2f}"),
            ("DVC's cache before", f"{before / 10**6:.0f}", ""),
        ],
    )


def report(title: str, full: dict[str, float], part: dict[str, float], starts: dict[str, float]) -> None:
    """Print what each stage took of its own, and starts and DVC apart."""
    sums = [0.0, 0.0]
    rows = []
    for stage in STAGES:
        own = [run[stage] - starts[stage] for run in (full, part)]
        sums = [total + seconds for total, seconds in zip(sums, own, strict=True)]
        rows.append((stage, *row_of(*own)))
    started = sum(starts.values())
    rows += [("all stages", *row_of(*sums)), ("process starts", *row_of(started, started))]
    print_table([title, "from nothing", "1 % new", "share"], [*rows, ("DVC", *row_of(full["dvc"], part["dvc"]))])


def row_of(full: float, part: float) -> tuple[str, str, str]:
    return f"{full:.1f}", f"{part:.2f}", f"{100 * part / full:.1f} %"


def set_up(work: Path, links: str) -> tuple[Path, Path]:
    """Clone the checkout, and stand a `python` before the real one that notes its CPU time."""
    checkout, log = work / "checkout", work / "cpu.log"
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, checkout], check=True)
    (checkout / "dvc.lock").unlink(missing_ok=True)
    python = work / "bin/python"
    python.parent.mkdir()
    python.write_text(
        f'#!/bin/bash\n"{sys.executable}" "$@"\ncode=$?\n{{ echo "$*"; times; }} >> "{log}"\nexit $code\n'
    )
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    os.environ["PATH"] = f"{python.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    os.environ.pop("PYTHONPATH", None)
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["pull"]["planes"]["source"] = "incoming"
    (checkout / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for name, value in (("core.site_cache_dir", str(work / "site")), ("cache.type", links)):
        call(checkout, "dvc", "config", "--local", name, value)
    return checkout, log


def lay_in(checkout: Path, images: list[Path]) -> None:
    """Put images with a label table in place, those that are there already untouched, and track them."""
    place = checkout / "data/incoming/planes"
    (place / "images").mkdir(parents=True, exist_ok=True)
    for image in images:
        if not (place / "images" / image.name).exists():
            _link(image, place / "images" / image.name)
    rows = "".join(f"{image.stem},{PLANES[number % 4]}\n" for number, image in enumerate(images))
    (place / "image_label.csv").unlink(missing_ok=True)
    (place / "image_label.csv").write_text(f"Image_name,Plane\n{rows}")
    call(checkout, "dvc", "add", "--quiet", "data/incoming/planes")


def _link(image: Path, path: Path) -> None:
    """Make a hard link, or a copy on another file system."""
    try:
        path.hardlink_to(image)
    except OSError:
        shutil.copyfile(image, path)


def repro(checkout: Path, log: Path, what: str) -> dict[str, float]:
    """Return the CPU seconds of each stage's process, and of DVC."""
    log.unlink(missing_ok=True)
    before = cpu()
    again(checkout)
    spent = {command.split()[2]: seconds for command, seconds in noted(log)}
    spent["dvc"] = cpu() - before - sum(spent.values())
    tell(f"{what}: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in spent.items()))
    return spent


def again(checkout: Path) -> None:
    call(checkout, "dvc", "repro", *TARGETS)


def status(checkout: Path) -> None:
    call(checkout, "dvc", "status", *TARGETS)


def start(checkout: Path, log: Path, stage: str) -> float:
    """Return the CPU seconds of a process that imports what the stage does; the median of three."""
    log.unlink(missing_ok=True)
    code = (
        "from pathlib import Path; from sonotrace.running import environment; environment.isolate(); "
        f"import sonotrace.cli, sonotrace.running.runs, sonotrace.stages.{stage}; "
        "from sonotrace.running.item_cache import dvc_cache; dvc_cache(Path())"
    )
    for _ in range(3):
        subprocess.run(["python", "-c", code], cwd=checkout, env=os.environ | {"PYTHONPATH": "src"}, check=True)
    return sorted(seconds for _, seconds in noted(log))[1]


def noted(log: Path) -> list[tuple[str, float]]:
    """Read commands and, of what bash's `times` wrote, the second line: user and system time of the child."""
    lines = log.read_text().splitlines()
    found = []
    for command, times in zip(lines[::3], lines[2::3], strict=True):
        parts = [part.rstrip("s").split("m") for part in times.split()]
        found.append((command, sum(60 * float(minutes) + float(seconds) for minutes, seconds in parts)))
    return found


def cpu() -> float:
    """Return the CPU seconds of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def call(checkout: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def size(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def size_of_changed(checkout: Path, new: list[Path]) -> int:
    """Return the bytes of the new images, and of the packs made of them and of their copies."""
    patients = {image.name.split("_")[0].removeprefix("Patient") for image in new}
    made = [
        checkout / f"data/planes/{at}/images" / pack_name(one, "") for at in ("prepare", "augment") for one in patients
    ]
    return sum(path.stat().st_size for path in [*new, *made] if path.is_file())


if __name__ == "__main__":
    main()
