"""How fast an archive is unpacked and hashed, against `unzip` and `sha256sum`.

The archive is made for this: the images of a folder under as many numbered names as asked for,
stored, as image sets come. The reference is `unzip -q` and then `sha256sum` on all cores, which
check less: not the names, sizes and overlaps that `archives` refuses. The project's side is
`archives.unpack` and then SHA-256 of each file through `parallel.in_order`, as pull does it. Every
round takes the whole archive once on each side, from a warm page cache, with nothing left to write
back from before; removal of the files is not counted. Both sides must come to the same hashes.

    PYTHONPATH=src python benchmarks/unpack.py IMAGES_DIR [--files 12400] [--rounds 5] [--at FOLDER]

IMAGES_DIR: PNG and JPEG files, also in folders below, such as data/planes/pull/images.
FOLDER: where to unpack, twice the size of the archive; the temporary folder if not given.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

from measure import alternate, print_table, ratio, spread, tell, timed

from sonotrace.archives import unpack
from sonotrace.parallel import available_cores, in_order
from sonotrace.snapshot import images_below


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("images", type=Path, metavar="IMAGES_DIR")
    arguments.add_argument("--files", type=int, default=12_400)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--at", type=Path, metavar="FOLDER")
    options = arguments.parse_args()
    unzip = ["unzip", "-q"] if shutil.which("unzip") else [sys.executable, "-m", "zipfile", "-e"]
    reference = f"{' '.join(['python', *unzip[1:]] if unzip[0] == sys.executable else unzip)}, sha256sum"
    with tempfile.TemporaryDirectory(dir=options.at) as folder:
        archive = make_archive(images_below(options.images), options.files, Path(folder) / "images.zip")
        megabytes = archive.stat().st_size / 10**6
        tell(f"{options.files} files, {megabytes:.0f} MB, {available_cores()} cores")
        if with_tools(unzip, archive, Path(folder) / "out") != with_sonotrace(archive, Path(folder) / "out"):
            raise SystemExit("the two sides come to different files")
        sides: dict[str, Callable[[Path], object]] = {
            reference: lambda into: with_tools(unzip, archive, into),
            "unpack, in_order": lambda into: with_sonotrace(archive, into),
        }
        rates = alternate(
            {name: lambda work=work: options.files / fresh(work, Path(folder) / "out") for name, work in sides.items()},
            options.rounds,
        )
    print_table(
        [
            f"{options.files} files, {megabytes:.0f} MB, {available_cores()} cores, {options.rounds} rounds",
            "files/s",
            f"ratio to {unzip[0] if unzip[0] == 'unzip' else 'zipfile'}",
        ],
        [(name, spread(values, 0), ratio(values, rates[reference])) for name, values in rates.items()],
    )


def make_archive(images: list[Path], files: int, archive: Path) -> Path:
    """Store the images, over and over, under `files` names in one folder."""
    if not images:
        raise SystemExit("IMAGES_DIR holds no PNG or JPEG file")
    with zipfile.ZipFile(archive, "w") as opened:
        for number, image in enumerate(islice(cycle(images), files)):
            opened.write(image, f"images/{number:06}{image.suffix}")
    return archive


def fresh(work: Callable[[Path], object], into: Path) -> float:
    """Return the wall time of `work` from a state in which neither files nor writes are left over."""
    shutil.rmtree(into, ignore_errors=True)
    os.sync()
    return timed(lambda: work(into))


def with_tools(unzip: list[str], archive: Path, into: Path) -> dict[str, str]:
    """Return file name -> SHA-256, by the command-line tools."""
    subprocess.run([*unzip, archive, *(["-d"] if unzip[0] == "unzip" else []), into], check=True)
    files = images_below(into)
    shares = [files[start : start + 200] for start in range(0, len(files), 200)]

    def sha256sum(share: list[Path]) -> list[str]:
        return subprocess.run(["sha256sum", *share], capture_output=True, text=True, check=True).stdout.splitlines()

    return {Path(line[66:]).name: line[:64] for lines in in_order(sha256sum, shares) for line in lines}


def with_sonotrace(archive: Path, into: Path) -> dict[str, str]:
    """Return file name -> SHA-256, by `archives.unpack` and `in_order`."""
    unpack(archive, into)
    files = images_below(into)
    hashes = in_order(lambda file: hashlib.sha256(file.read_bytes()).hexdigest(), files)
    return {file.name: sha256 for file, sha256 in zip(files, hashes, strict=True)}


if __name__ == "__main__":
    main()
