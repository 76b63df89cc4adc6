"""Kill runs at random moments, and see whether a plain rerun ends as if nothing had happened.

A clone with small parameters, folds of both kinds included, first runs undisturbed. Then, again and again: a stage
drawn at random is forgotten, by DVC's lock and run cache, so that the engine runs it anew; or, one time in ten,
everything runs from nothing.
At a random moment the engine, or its whole process group, gets SIGKILL, SIGTERM or SIGINT. Then no process may be left
in the clone, and a plain `dvc repro` or `snakemake` must end well, in the hashes of the undisturbed run, and leave both
engines with nothing to do. No other step is taken in between.

    PYTHONPATH=src python benchmarks/soak.py [--kills 100] [--seed 1] [--at FOLDER] [--log FILE.csv]

Prints a Markdown table of what was killed and how it ended, and exits with 1 if a rerun failed. `--log` gets one row a
kill.
"""

import argparse
import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml
from measure import REPOSITORY, print_table, tell

sys.path.append(str(REPOSITORY / "tests"))
from checkouts import Checkout, clone

FROM_NOTHING = 0.1
"""Share of the kills that hit a run of everything."""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PATIENCE_S = 60
"""How long an engine may take to end after a signal; SIGKILL follows."""
ORPHANS_S = 20
"""How long its stages may outlive it; a stage is given ten to clear up."""
START_S = 3.0
"""What an engine takes before its first stage starts, roughly, s."""
PLAIN = {"dvc": ["dvc", "repro"], "snakemake": ["snakemake", "--cores", "2"]}
FOLDS = {
    "  data_sets: [] ": "  data_sets: [planes] ",
    "  box_data_sets: [] ": "  box_data_sets: [structures] ",
    "numbers: [1, 2, 3, 4, 5]": "numbers: [1, 2]",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kills", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--at", type=Path, metavar="FOLDER")
    arguments.add_argument("--log", type=Path)
    options = arguments.parse_args()
    # A shell starts what is to run in the background with SIGINT ignored, and so would be all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(dir=options.at) as folder:
        rows = soak(Path(folder), options)
    counted = Counter((row["what"].partition("@")[0], row["engine"], row["ended"]) for row in rows)
    print_table(["killed", "engine", "the rerun", "times"], [(*key, count) for key, count in sorted(counted.items())])
    good = sum(row["ended"] == "as undisturbed" for row in rows)
    print(f"{good} of {len(rows)} reruns ended in the hashes of the undisturbed run.")
    if good < len(rows):
        raise SystemExit(1)


def soak(folder: Path, options: argparse.Namespace) -> list[dict[str, str]]:
    start = with_folds(folder / "start")
    (folder / "undisturbed").mkdir()
    undisturbed = start.copy(folder / "undisturbed")
    begun = time.monotonic()
    undisturbed.run("dvc", "repro")
    whole_s = time.monotonic() - begun
    wanted, seconds = hashes(undisturbed), durations(undisturbed)
    tell(f"undisturbed: {len(wanted)} outputs of {len(seconds)} stages in {whole_s:.0f} s")
    rows: list[dict[str, str]] = []
    checkout = undisturbed
    for number in range(1, options.kills + 1):
        draw = random.Random(options.seed * 100_000 + number)
        engine = draw.choice(("dvc", "snakemake"))
        if draw.random() < FROM_NOTHING:
            into = folder / f"from-nothing-{number}"
            into.mkdir()
            checkout, what, lasts = start.copy(into), "everything", whole_s
        else:
            what = draw.choice(sorted(seconds))
            lasts = START_S + seconds[what]
            forget(checkout, what)
        after_s, number_of_signal, group = draw.uniform(0, lasts), draw.choice(SIGNALS), draw.random() < 0.5
        hit = kill(checkout, PLAIN[engine], after_s, number_of_signal, group=group)
        again = draw.choice(("dvc", "snakemake"))
        row = {"number": str(number), "what": what, "engine": engine, "after_s": f"{after_s:.1f}"}
        row |= {"signal": number_of_signal.name, "to": "group" if group else "process", "hit": hit, "rerun_by": again}
        rows.append(row | {"ended": rerun(checkout, again, wanted)})
        tell(str(rows[-1]))
        if options.log:
            with options.log.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
        if rows[-1]["ended"] != "as undisturbed":
            checkout = undisturbed
    return rows


def with_folds(into: Path) -> Checkout:
    """Return a clone with small parameters and two folds of both kinds."""
    made = clone(into)
    text = (made.path / "params.yaml").read_text()
    for before, after in FOLDS.items():
        assert before in text, before
        text = text.replace(before, after)
    (made.path / "params.yaml").write_text(text)
    made.commit("Folds")
    return made


def forget(checkout: Checkout, stage: str) -> None:
    """Make DVC forget that it ever ran a stage; what the stage made stays where it is."""
    path = checkout.path / "dvc.lock"
    lock = yaml.safe_load(path.read_text())
    del lock["stages"][stage]
    path.write_text(yaml.safe_dump(lock, sort_keys=False))
    shutil.rmtree(checkout.path / ".dvc/cache/runs", ignore_errors=True)


def kill(checkout: Checkout, command: list[str], after_s: float, number: signal.Signals, *, group: bool) -> str:
    """Run a command, send it a signal, wait until nothing of it is left; return what the signal found."""
    process = subprocess.Popen(
        command,
        cwd=checkout.path,
        env=checkout.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
    if process.poll() is not None:
        return "it had ended"
    (os.killpg if group else os.kill)(process.pid, number)
    try:
        process.wait(PATIENCE_S)
        found = "running"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        found = f"running, and it went on for {PATIENCE_S} s"
    deadline = time.monotonic() + ORPHANS_S
    while (left := processes_in(checkout.path)) or group_exists(process.pid):
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            return f"{found}; {len(left)} processes were left"
        time.sleep(0.1)
    return found


def group_exists(number: int) -> bool:
    """Say whether the system still knows a process of a group, ended ones that nobody has waited for included.

    DVC asks the same before it takes over the lock of a killed run.
    """
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def processes_in(folder: Path) -> list[int]:
    """Return the processes whose working folder is `folder` or lies below it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            at = (process / "cwd").readlink()
        except OSError:
            continue
        if at == folder or folder in at.parents:
            found.append(int(process.name))
    return found


def rerun(checkout: Checkout, engine: str, wanted: dict[str, str]) -> str:
    """Run everything plainly, and say how it ended."""
    done = subprocess.run(
        PLAIN[engine], cwd=checkout.path, env=checkout.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        tell(done.stdout[-2000:] + done.stderr[-2000:])
        return f"{engine} failed"
    found = hashes(checkout)
    if found != wanted:
        return f"other hashes: {', '.join(sorted(path for path in wanted if found.get(path) != wanted[path]))}"
    status = subprocess.run(
        ["dvc", "status"], cwd=checkout.path, env=checkout.environment(), capture_output=True, text=True, check=False
    )
    return "as undisturbed" if "up to date" in status.stdout else "dvc status: not up to date"


def hashes(checkout: Checkout) -> dict[str, str]:
    """Return path -> hash of every output in dvc.lock."""
    lock = yaml.safe_load((checkout.path / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def durations(checkout: Checkout) -> dict[str, float]:
    """Return stage -> wall time of its last run, s."""
    printed = checkout.run("sonotrace", "runs", "--json")
    return {one["stage"]: float(one["wall_s"]) for one in json.loads(printed[printed.index("[") :])}


if __name__ == "__main__":
    main()
