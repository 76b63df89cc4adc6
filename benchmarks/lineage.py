"""How long `sonotrace lineage` takes on long histories.

A repository is made for this with as many commits as asked for; each holds a `dvc.lock` like this
checkout's with hashes of its own. A model of the oldest commit, one of the newest and unknown bytes
are looked up, each in a process of its own as a user would, so that starting Python counts; the
reference is `git log --all` on the same repository.

    PYTHONPATH=src python benchmarks/lineage.py [--commits 10 100 1000] [--rounds 3]
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import alternate, print_table, spread, tell, timed

REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--commits", type=int, nargs="+", default=[10, 100, 1000])
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    rows = []
    for commits in options.commits:
        with tempfile.TemporaryDirectory() as folder:
            top = Path(folder) / "clone"
            size = make_history(top, commits)
            tell(f"{commits} commits of a lock of {size} bytes")
            files = {name: Path(folder) / name for name in ("oldest", "newest", "unknown")}
            for name, number in (("oldest", 0), ("newest", commits - 1), ("unknown", commits)):
                files[name].write_bytes(model(number))
            sides = {"git log --all": lambda top=top: timed(lambda: run(["git", "log", "--all"], top))}
            for name, file in files.items():
                command = [sys.executable, "-m", "sonotrace", "lineage", str(file), "--repo", str(top), "--json"]
                sides[name] = lambda command=command: timed(lambda: run(command, REPOSITORY))
            times = alternate(sides, options.rounds)
            rows += [(f"{commits}", name, spread(values, 2)) for name, values in times.items()]
    print_table([f"commits, {options.rounds} rounds", "looked up", "s"], rows)


def model(number: int) -> bytes:
    return f"model of commit {number}".encode()


def make_history(top: Path, commits: int) -> int:
    """Make a repository; return the size of its locks in bytes."""
    lock = (REPOSITORY / "dvc.lock").read_text()
    old = re.search(r"path: models/planes\.keras\n *hash: md5\n *md5: (\w+)", lock)[1]
    stream = []
    for number in range(commits):
        text = re.sub(r"md5: ([0-9a-f]{32})", lambda found, n=number: f"md5: {renamed(found[1], n)}", lock)
        text = text.replace(renamed(old, number), hashlib.md5(model(number), usedforsecurity=False).hexdigest())
        stream += [f"commit refs/heads/main\ncommitter A <a@b> {10**9 + number} +0000\ndata 1\nx"]
        stream += [f"M 100644 inline dvc.lock\ndata {len(text.encode())}\n{text}"]
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", top], check=True)
    subprocess.run(["git", "fast-import", "--quiet"], cwd=top, input="\n".join(stream).encode(), check=True)
    return len(lock)


def renamed(md5: str, number: int) -> str:
    return hashlib.md5(f"{md5}{number}".encode(), usedforsecurity=False).hexdigest()


def run(command: list[str], at: Path) -> None:
    subprocess.run(command, cwd=at, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    main()
