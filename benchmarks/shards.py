"""What shards gain: the same image work without shards, and in two shards by one worker and by two at once.

A clone of the checkout draws phantom images, or takes those of a folder, and runs pull, validate and split. Then
`prepare`, and with `--copies` also `augment`, run three times from nothing: without shards; in two shards, one after
the other; in two shards, both at once. A worker is `dvc repro --single-item` on one core, as Snakemake starts it on a
node; what takes the shards over runs on one core too. Printed are, for each step: wall time, CPU time of the stage and
of DVC, and peak memory; then the speed-up of the sharded part and of the whole, and what a plan for more images needs:
files, bytes, and the cost of `dvc status`. The three results have to be equal byte by byte, or it stops.

    PYTHONPATH=src python benchmarks/shards.py IMAGES [--copies 0] [--links hardlink,copy] [--at FOLDER]

IMAGES: how many to draw, or a folder of images named after patients as `pull.planes.patient_pattern` has it, such as
many_images.py makes. 2,000 images show in a few minutes that it works. For figures take 100,000, on two cores with
nothing else running. The space that it takes is said first, and it stops where that is not free.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from measure import REPOSITORY, print_table, tell, timed
from new_snapshot import lay_in

from sonotrace.labels.listing import images_below
from sonotrace.running.recovery import COPY

PULLED, PREPARED, TRAINED = 150_000, 66_000, 0.7
"""Bytes of a phantom image and of one of 256x256 px, and the share of images that are copied: for the space needed."""
SHARDS = (1, 2)
ALONE, ONE, TWO = "no shards", "two shards, one worker", "two shards, two workers"
WORKERS = {ALONE: 1, ONE: 1, TWO: 2}


@dataclass
class Took:
    """What one step took."""

    wall: float
    stage_cpu: float
    dvc_cpu: float
    stage_mb: int
    """Peak memory of the stage."""
    top_mb: int
    """Peak memory of the largest process, DVC's or the stage's."""


@dataclass
class Way:
    """What one way through the image work took, and what it left."""

    sharded: dict[str, Took] = field(default_factory=dict)
    whole: dict[str, Took] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def walls(self) -> tuple[float, float]:
        """Return the wall time of the shards, and of what takes them over."""
        sharded, whole = (sum(took.wall for took in steps.values()) for steps in (self.sharded, self.whole))
        return sharded, whole


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("images", metavar="IMAGES")
    arguments.add_argument("--copies", type=int, default=0, help="of each training image; 0: prepare alone")
    arguments.add_argument("--links", default="hardlink,copy", help="DVC's cache.type")
    arguments.add_argument("--at", type=Path, metavar="FOLDER")
    options = arguments.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two workers need two cores")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    folder = Path(options.images).resolve()
    images = images_below(folder) if folder.is_dir() else []
    if not images and not options.images.isdigit():
        arguments.error(f"{options.images}: neither a number nor a folder of images")
    options.images = len(images) or int(options.images)
    check_space(options)
    stages = ("prepare", "augment") if options.copies else ("prepare",)
    with tempfile.TemporaryDirectory(dir=options.at) as work:
        checkout = set_up(Path(work), options, images)
        tell(f"pull, validate and split: {timed(lambda: dvc(checkout, 'repro', 'split@planes')):.0f} s")
        begun = (checkout / "dvc.lock").read_text()
        ways = {}
        for name in WORKERS:
            for lock in ("dvc.lock", f".sonotrace/{COPY}"):  # or else the copy would be put back
                (checkout / lock).write_text(begun)
            ways[name] = go(checkout, name, stages)
            if ways[name].outputs != ways[ALONE].outputs:
                raise SystemExit(f"{name}: not the bytes that come without shards")
            if name != TWO:
                forget(checkout, stages)
        report(options, ways)
        sizes(checkout, stages)


def check_space(options: argparse.Namespace) -> None:
    """Say how much space all takes, and stop where that is not free."""
    copies = 1 if "link" in options.links.split(",")[0] else 3  # in the cache, for the shard and for the stage
    needed = options.images * (PULLED * min(copies, 2) + PREPARED * copies * (1 + TRAINED * options.copies))
    place = options.at or Path(tempfile.gettempdir())
    free = shutil.disk_usage(place).free
    tell(f"{place}: about {needed / 10**9:.1f} GB needed, {free / 10**9:.1f} GB free")
    if free < 1.1 * needed:
        raise SystemExit("not enough space; name another place by --at, or take fewer images")


def set_up(work: Path, options: argparse.Namespace, images: list[Path]) -> Path:
    checkout = work / "checkout"
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, checkout], check=True)
    (checkout / "dvc.lock").unlink(missing_ok=True)
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    os.environ.pop("PYTHONPATH", None)
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["pull"]["planes"]["source"] = "incoming" if images else "phantom"
    params["pull"]["planes"]["phantom"]["images"] = options.images
    params["augment"]["planes"]["copies"] = options.copies
    (checkout / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for name, value in (("core.site_cache_dir", str(work / "site")), ("cache.type", options.links)):
        dvc(checkout, "config", "--local", name, value)
    if images:
        lay_in(checkout, images)
    return checkout


def go(checkout: Path, name: str, stages: tuple[str, ...]) -> Way:
    """Run the image work in one way."""
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    asked = list(stages) if name != ALONE else []
    params["shards"] = {stage: ["planes"] if stage in asked else [] for stage in ("prepare", "augment")}
    params["shards"]["numbers"] = list(SHARDS)
    (checkout / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    way = Way()
    for stage in stages:
        if asked:
            shards = [f"{stage}_shard@planes-{shard}" for shard in SHARDS]
            queues = [shards] if WORKERS[name] == 1 else [[shard] for shard in shards]
            way.sharded[stage] = run(checkout, queues)
            tell(f"{name}: shards of {stage}: {way.sharded[stage].wall:.1f} s")
        way.whole[stage] = run(checkout, [[f"{stage}@planes"]])
        tell(f"{name}: {stage}: {way.whole[stage].wall:.1f} s")
    lock = yaml.safe_load((checkout / "dvc.lock").read_text())["stages"]
    way.outputs = {stage: lock[f"{stage}@planes"]["outs"] for stage in stages}
    return way


def run(checkout: Path, queues: list[list[str]]) -> Took:
    """Run the stages of each queue one after the other, all queues at once, each on a core of its own."""
    records = [checkout / f".sonotrace/runs/{stage}.json" for queue in queues for stage in queue]
    for record in records:
        record.unlink(missing_ok=True)
    cores = sorted(os.sched_getaffinity(0))
    begun = time.perf_counter()
    started = []
    for core, queue in zip(cores, queues, strict=False):
        commands = " && ".join(f"dvc --wait-for-lock repro --quiet --single-item {stage}" for stage in queue)
        command = ["taskset", "--cpu-list", str(core), "sh", "-c", commands]
        started.append(subprocess.Popen(command, cwd=checkout, stdout=subprocess.DEVNULL))
    spent, top = 0.0, 0
    for process in started:
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit("dvc failed")
        spent += used.ru_utime + used.ru_stime
        top = max(top, used.ru_maxrss * 1024 // 10**6)
    wall = time.perf_counter() - begun
    ran = [json.loads(record.read_text()) for record in records]
    own = sum(one["cpu_s"] for one in ran)
    return Took(wall, own, spent - own, max(one["peak_mb"] for one in ran), top)


def forget(checkout: Path, stages: tuple[str, ...]) -> None:
    """Remove the packs from the workspace and from DVC's cache, and all that remembers them."""
    cache = checkout / ".dvc/cache"
    lock = yaml.safe_load((checkout / "dvc.lock").read_text())["stages"]
    for stage in stages:
        (listed,) = [out["md5"] for out in lock[f"{stage}@planes"]["outs"] if out["path"].endswith("images")]
        for entry in json.loads((cache / "files/md5" / listed[:2] / listed[2:]).read_bytes()):
            (cache / "files/md5" / entry["md5"][:2] / entry["md5"][2:]).unlink(missing_ok=True)
        shutil.rmtree(cache / "sonotrace" / stage)
        for below in (f"{stage}_shard", stage):
            shutil.rmtree(checkout / "data/planes" / below, ignore_errors=True)
    for below in ("validate", "split"):
        shutil.rmtree(checkout / f"data/planes/{below}/shards", ignore_errors=True)
    shutil.rmtree(cache / "runs")


def report(options: argparse.Namespace, ways: dict[str, Way]) -> None:
    """Print what each step took, and the speed-ups."""
    rows = []
    for name, way in ways.items():
        for stage, whole in way.whole.items():
            steps = {f"shards of {stage}": way.sharded.get(stage), stage: whole}
            rows += [(name, step, *row_of(took)) for step, took in steps.items() if took]
    title = f"{options.images} images, {options.copies} copies, cache.type {options.links}"
    print_table([title, "step", "wall s", "CPU s, stage", "CPU s, DVC", "peak MB, stage", "peak MB, any process"], rows)
    one, two, alone = (ways[name].walls for name in (ONE, TWO, ALONE))
    print_table(
        ["wall time", "s", "speed-up"],
        [
            ("sharded part, one worker", f"{one[0]:.1f}", "1.00"),
            ("sharded part, two workers", f"{two[0]:.1f}", f"{one[0] / two[0]:.2f}"),
            ("what takes it over, in one piece", f"{two[1]:.1f}", ""),
            ("whole, one worker", f"{sum(one):.1f}", "1.00"),
            ("whole, two workers", f"{sum(two):.1f}", f"{sum(one) / sum(two):.2f}"),
            ("without shards, one core", f"{sum(alone):.1f}", f"{sum(one) / sum(alone):.2f}"),
        ],
    )


def row_of(took: Took) -> tuple[str, ...]:
    return f"{took.wall:.1f}", f"{took.stage_cpu:.1f}", f"{took.dvc_cpu:.1f}", str(took.stage_mb), str(took.top_mb)


def sizes(checkout: Path, stages: tuple[str, ...]) -> None:
    """Print what lies there at the end, and how long DVC takes to see that nothing has changed."""
    targets = [f"{stage}@planes" for stage in ("pull", "validate", "split", *stages)]
    dvc(checkout, "status", *targets)
    data, cache = checkout / "data/planes", checkout / ".dvc/cache"
    places = {"images as they came": data / "pull/images"}
    places |= {f"packs of {stage}": data / stage / "images" for stage in stages}
    places |= {"the item cache's index": cache / "sonotrace", "DVC's cache": cache / "files"}
    rows = [(name, *count(place)) for name, place in places.items()]
    lists = [path.stat().st_size for path in (cache / "files").rglob("*.dir")]
    rows.append(("of which lists of folders", len(lists), f"{sum(lists) / 10**6:.1f}"))
    print_table(["at the end", "files", "MB"], rows)
    begun = time.perf_counter()
    process = subprocess.Popen(["dvc", "status", "--quiet", *targets], cwd=checkout, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("dvc status: something has changed")
    cpu = used.ru_utime + used.ru_stime
    row = (f"{time.perf_counter() - begun:.1f}", f"{cpu:.1f}", used.ru_maxrss * 1024 // 10**6)
    print_table(["nothing changed", "wall s", "CPU s", "peak MB"], [("dvc status", *row)])


def count(place: Path) -> tuple[int, str]:
    """Return the files below a folder, and their MB."""
    found = [path.stat().st_size for path in place.rglob("*") if path.is_file()]
    return len(found), f"{sum(found) / 10**6:.1f}"


def dvc(checkout: Path, *arguments: str) -> None:
    done = subprocess.run(["dvc", *arguments], cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"dvc {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
