"""How fast pull takes an archive in, against `unzip` and `sha256sum`.

The archive is made for this: the images of a folder under as many numbered names as asked for,
stored, as image sets come, with a label table. The reference is `unzip -q` and then `sha256sum` on
all cores, which check less: not the names, sizes and overlaps that `archives` refuses. The
project's side is the stage itself: unpack, hash, read the table, bring the images in, write the
manifest. Every round takes the whole archive once on each side, from a warm page cache, with
nothing left to write back from before; removal of the files is not counted. Both sides must come
to the same hashes.

    PYTHONPATH=src python benchmarks/pull.py IMAGES_DIR [--files 12400] [--rounds 5] [--at FOLDER]

IMAGES_DIR: PNG and JPEG files, also in folders below, such as data/planes/pull/images.
FOLDER: where to unpack, twice the size of the archive; the temporary folder if not given.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import yaml
from measure import alternate, print_table, ratio, spread, tell, timed

from sonotrace.labels.listing import images_below
from sonotrace.running.parallel import available_cores, in_order
from sonotrace.stages import pull
from sonotrace.tables import read_table

REPOSITORY = Path(__file__).resolve().parents[1]


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
        work = Path(folder)
        archive = make_archive(images_below(options.images), options.files, work / "data/incoming/planes/images.zip")
        params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
        params["pull"]["planes"]["source"] = "incoming"
        (work / "params.yaml").write_text(yaml.safe_dump(params))
        shutil.copy(REPOSITORY / "data/withdrawn.csv", work / "data")
        os.chdir(work)
        megabytes = archive.stat().st_size / 10**6
        tell(f"{options.files} files, {megabytes:.0f} MB, {available_cores()} cores")
        if with_tools(unzip, archive) != with_pull():
            raise SystemExit("the two sides come to different files")
        sides: dict[str, Callable[[], object]] = {reference: lambda: with_tools(unzip, archive), "pull": with_pull}
        rates = alternate({name: partial(rate, side, options.files) for name, side in sides.items()}, options.rounds)
        os.chdir(REPOSITORY)
    print_table(
        [
            f"{options.files} files, {megabytes:.0f} MB, {available_cores()} cores, {options.rounds} rounds",
            "files/s",
            f"ratio to {unzip[0] if unzip[0] == 'unzip' else 'zipfile'}",
        ],
        [(name, spread(values, 0), ratio(values, rates[reference])) for name, values in rates.items()],
    )


def make_archive(images: list[Path], files: int, archive: Path) -> Path:
    """Store the images, over and over, under `files` names in one folder, with a label table."""
    if not images:
        raise SystemExit("IMAGES_DIR holds no PNG or JPEG file")
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as opened:
        for number, image in enumerate(islice(cycle(images), files)):
            opened.write(image, f"images/Patient{number:06}_{image.suffix}")
        rows = "".join(f"Patient{number:06}_,Fetal brain\n" for number in range(files))
        opened.writestr("image_label.csv", f"Image_name,Plane\n{rows}")
    return archive


def rate(side: Callable[[], object], files: int) -> float:
    """Return the files/s of a side from a state in which neither files nor writes are left over."""
    for left in ("tools", "data/planes", "reports"):
        shutil.rmtree(left, ignore_errors=True)
    os.sync()
    return files / timed(side)


def with_tools(unzip: list[str], archive: Path) -> dict[str, str]:
    """Return image -> SHA-256, by the command-line tools."""
    into = Path("tools")
    subprocess.run([*unzip, archive, *(["-d"] if unzip[0] == "unzip" else []), into], check=True)
    files = images_below(into)
    shares = [files[start : start + 200] for start in range(0, len(files), 200)]

    def sha256sum(share: list[Path]) -> list[str]:
        return subprocess.run(["sha256sum", *share], capture_output=True, text=True, check=True).stdout.splitlines()

    return {Path(line[66:]).stem: line[:64] for lines in in_order(sha256sum, shares) for line in lines}


def with_pull() -> dict[str, str]:
    """Return image -> SHA-256, as the stage's manifest has it."""
    pull.run("planes")
    manifest = read_table(Path("data/planes/pull/manifest.csv"))
    return dict(zip(manifest["image"], manifest["sha256"], strict=True))


if __name__ == "__main__":
    main()
