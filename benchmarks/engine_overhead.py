"""What the whole workflow costs beyond its two trainings.

The workflow's side is `dvc repro` from scratch: all stages, in a new clone of a checkout with an
empty DVC cache. Its stages are timed within that run, from one `Running stage` line to the next, so
that what DVC does for a stage (hashing its outputs, keeping them in its cache) counts as the
stage's. The reference is the same two trainings bare, one after the other, on the images that the
workflow has just prepared:

- `bare_keras.py`: class folders, `model.fit`, the same net, epochs and batch, one view of each
  training image an epoch, as the stage takes;
- the Ultralytics command line, `yolo detect train`, on the same images, copies and labels as plain
  folders, with the stage's arguments.

Both sides run on the CPU with the same number of threads. Left alone, Ultralytics trains on one
core fewer than there are, which would burden the reference, so its command line is started with the
stage's number. Laying out the folders is not counted. A round is one `dvc repro` and then the two
bare trainings.

    PYTHONPATH=src python benchmarks/engine_overhead.py REPO [--rounds 3] [--params train_cnn.planes.epochs=2 ...]

REPO: a checkout of the project; its HEAD is cloned, and data/incoming is copied from it where it is
there. `--params` changes values of the clone's params.yaml.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import yaml
from bare import bare
from measure import print_table, ratio, spread, tell

TRAININGS = ("train_cnn@planes", "train_yolo@structures")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("repository", type=Path, metavar="REPO")
    arguments.add_argument("--params", nargs="*", default=[], metavar="KEY=VALUE")
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    # Without cached bytecode each process would compile TensorFlow anew, some ten seconds each time.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
    seconds: dict[str, list[float]] = defaultdict(list)
    for turn in range(options.rounds):
        with tempfile.TemporaryDirectory() as work:
            checkout = Path(work) / "checkout"
            clone(options.repository.resolve(), checkout, options.params)
            for name, spent in (repro(checkout) | bare(checkout, Path(work) / "bare")).items():
                seconds[name].append(spent)
                tell(f"round {turn + 1}/{options.rounds}: {name}: {spent:.1f} s")
    report(seconds, options.rounds)


def clone(repository: Path, checkout: Path, changes: list[str]) -> None:
    """Clone the repository without its DVC cache and lock, and set the parameters."""
    subprocess.run(["git", "clone", "--quiet", repository, checkout], check=True)
    if (repository / "data/incoming").is_dir():
        shutil.copytree(repository / "data/incoming", checkout / "data/incoming", dirs_exist_ok=True)
    (checkout / "dvc.lock").unlink(missing_ok=True)
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    for change in ("train_cnn.planes.device=cpu", "train_yolo.structures.device=cpu", *changes):
        key, value = change.split("=", 1)
        *path, last = key.split(".")
        section = params
        for name in path:
            section = section[name]
        section[last] = yaml.safe_load(value)
    (checkout / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def repro(checkout: Path) -> dict[str, float]:
    """Run `dvc repro` in the checkout; return the wall time of each stage and of the whole."""
    start = time.perf_counter()
    marks = [("before the first stage", start)]
    with subprocess.Popen(["dvc", "repro"], cwd=checkout, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            tell(line.rstrip())
            if line.startswith("Running stage"):
                marks.append((line.split("'")[1], time.perf_counter()))
    end = time.perf_counter()
    if process.returncode:
        sys.exit(f"dvc repro failed in {checkout}")
    ends = [at for _, at in marks[1:]] + [end]
    return {name: until - at for (name, at), until in zip(marks, ends, strict=True)} | {"dvc repro": end - start}


def report(seconds: dict[str, list[float]], rounds: int) -> None:
    in_dvc, alone = (
        [sum(parts) for parts in zip(*(seconds[prefix + name] for name in TRAININGS), strict=True)]
        for prefix in ("", "bare ")
    )
    sums = {"both trainings in dvc": in_dvc, "both bare trainings": alone}
    print_table(
        [f"wall time, {rounds} rounds", "s"], [(name, spread(spent)) for name, spent in (seconds | sums).items()]
    )
    ratios = {
        "dvc repro / both bare trainings": ratio(seconds["dvc repro"], alone),
        "both trainings in dvc / both bare trainings": ratio(in_dvc, alone),
        **{f"{name} in dvc / bare {name}": ratio(seconds[name], seconds[f"bare {name}"]) for name in TRAININGS},
    }
    print_table(["ratio of wall times", "median (min to max)"], ratios.items())


if __name__ == "__main__":
    main()
