"""How long `sonotrace lineage` takes on long histories.

A repository is made for this with as many commits as asked for; each holds a `dvc.lock` like this
checkout's with hashes of its own. Every tenth commit has new data: DVC's cache holds the list of its
prepared images and its split table. A model of the oldest commit, one of the newest, unknown bytes,
an image of the oldest data and a patient are looked up, each in a process of its own as a user would,
so that starting Python counts; the reference is `git log --all` on the same repository.

    PYTHONPATH=src python benchmarks/lineage.py [--commits 10 100 1000] [--images 12400] [--rounds 3]
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from measure import alternate, print_table, spread, tell, timed

REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--commits", type=int, nargs="+", default=[10, 100, 1000])
    arguments.add_argument("--images", type=int, default=12_400)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    rows = []
    for commits in options.commits:
        with tempfile.TemporaryDirectory() as folder:
            top = Path(folder) / "clone"
            size = make_history(top, commits, options.images)
            tell(f"{commits} commits of a lock of {size} bytes")
            contents = {"oldest model": model(0), "newest model": model(commits - 1), "unknown": model(commits)}
            contents["image of the oldest data"] = image(0, 0)
            files = {name: Path(folder) / name.replace(" ", "-") for name in contents}
            for name, content in contents.items():
                files[name].write_bytes(content)
            sides = {"git log --all": lambda top=top: timed(lambda: run(["git", "log", "--all"], top))}
            for name, file in files.items():
                command = [sys.executable, "-m", "sonotrace", "lineage", str(file), "--repo", str(top), "--json"]
                sides[name] = lambda command=command: timed(lambda: run(command, REPOSITORY))
            patient = [sys.executable, "-m", "sonotrace", "lineage", "--patient", "00000", "--repo", str(top), "--json"]
            sides["patient"] = lambda command=patient: timed(lambda: run(command, REPOSITORY))
            times = alternate(sides, options.rounds)
            rows += [(f"{commits}", name, spread(values, 2)) for name, values in times.items()]
    title = f"commits, {options.images} images in each data, {options.rounds} rounds"
    print_table([title, "looked up", "s"], rows)


def model(number: int) -> bytes:
    return f"model of commit {number}".encode()


def image(data: int, number: int) -> bytes:
    return f"image {number} of data {data}".encode()


def make_history(top: Path, commits: int, images: int) -> int:
    """Make a repository with a cache; return the size of its locks in bytes."""
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", top], check=True)
    subprocess.run(["dvc", "init", "--quiet"], cwd=top, check=True)
    lock = (REPOSITORY / "dvc.lock").read_text()
    stream = []
    known: dict[str, str] = {}
    for number in range(commits):
        if number % 10 == 0:
            known = {
                "data/planes/prepare/images": store(top, prepared(number, images)),
                "data/planes/split/split.csv": store(top, split(images)),
            }
        text = re.sub(r"md5: ([0-9a-f]{32})", partial(renamed, number), lock)
        own = known | {"models/planes.keras": hashlib.md5(model(number), usedforsecurity=False).hexdigest()}
        for path, md5 in own.items():
            text = re.sub(rf"(path: {re.escape(path)}\n *hash: md5\n *md5: )\w+", rf"\g<1>{md5}", text)
        stream += [f"commit refs/heads/main\ncommitter A <a@b> {10**9 + number} +0000\ndata 1\nx"]
        stream += [f"M 100644 inline dvc.lock\ndata {len(text.encode())}\n{text}"]
    subprocess.run(["git", "fast-import", "--quiet"], cwd=top, input="\n".join(stream).encode(), check=True)
    return len(lock)


def store(top: Path, content: bytes) -> str:
    """Put an object into DVC's cache, a list of a folder's files under its name there, and return its md5."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    ending = ".dir" if content.startswith(b"[") else ""
    at = top / ".dvc/cache/files/md5" / md5[:2] / f"{md5[2:]}{ending}"
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_bytes(content)
    return md5


def prepared(data: int, images: int) -> bytes:
    """Return the list of the prepared images; one in a hundred is new in each data."""
    entries = [
        {
            "md5": hashlib.md5(image(data if number % 100 == 0 else 0, number), usedforsecurity=False).hexdigest(),
            "relpath": f"Patient{number:05}_Plane1_1_of_1.png",
        }
        for number in range(images)
    ]
    return json.dumps(entries).encode()


def split(images: int) -> bytes:
    rows = (f"Patient{number:05}_Plane1_1_of_1,{number:05},train\n" for number in range(images))
    return f"image,patient,side\n{''.join(rows)}".encode()


def renamed(number: int, found: re.Match[str]) -> str:
    return f"md5: {hashlib.md5(f'{found[1]}{number}'.encode(), usedforsecurity=False).hexdigest()}"


def run(command: list[str], at: Path) -> None:
    subprocess.run(command, cwd=at, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    main()
