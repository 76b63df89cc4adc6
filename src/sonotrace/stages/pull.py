"""pull: bring a snapshot's images and labels in, one manifest row each.

Needs `data/<source>/<data set>`; leaves `images/` (the files as they came), `manifest.csv` and
`boxes.csv` in `data/<data set>/pull`. Nothing is judged here: rows without an image and images
without a row are listed too, for validate to set apart.
"""

import hashlib
import importlib
import io
import re
import shutil
from pathlib import Path

from PIL import Image

from sonotrace import planes, structures
from sonotrace.errors import SonotraceError
from sonotrace.manifest import box_table, image_table
from sonotrace.outputs import building, scratch, write_csv
from sonotrace.parallel import available_cores, in_order
from sonotrace.params import load
from sonotrace.progress import bar, say
from sonotrace.snapshot import Listed
from sonotrace.stages import DATA, folder


def run(data_set: str) -> None:
    """Pull `data_set` from the source that `pull.<data set>.source` names."""
    params = getattr(load().pull, data_set)
    origin = DATA / params.source / data_set
    own = getattr(params, params.source, None)
    settings = own.model_dump() if own else {}
    if not origin.is_dir():
        raise SonotraceError(f"{origin}: no such folder; put the snapshot there and `dvc add` it")
    out = folder(data_set, "pull")
    out.mkdir(parents=True, exist_ok=True)
    source = importlib.import_module(f"sonotrace.sources.{params.source}")
    with scratch(out / "snapshot") as into:
        expected = settings.get("images", 0)
        say(f"pull: {data_set} from {params.source} ({origin})")
        with bar("snapshot", expected) as advance:
            at = source.snapshot(data_set, origin, settings, into, available_cores(), advance)
        if data_set == "planes":
            listed = planes.read_snapshot(at, settings.get("table", "image_label.csv"))
        else:
            listed = structures.read_snapshot(at)
        images = take_in(listed, at, out, re.compile(params.patient_pattern), move=at != origin)
    say(f"pull: {images} images, {len(listed)} rows")


def take_in(listed: list[Listed], at: Path, out: Path, patient: re.Pattern[str], move: bool) -> int:
    """Bring the listed files to `out/images`, write both tables, and return the number of files.

    Paths below `images` are those below `at`. Files are moved where they were made for this run,
    else copied.
    """
    files = sorted({entry.file for entry in listed if entry.file})
    facts: dict[Path, tuple[str, int, int]] = {}
    with building(out / "images") as images, bar("images", len(files)) as advance:
        images.mkdir()

        def bring(file: Path) -> tuple[Path, tuple[str, int, int]]:
            to = images / file.relative_to(at)
            to.parent.mkdir(parents=True, exist_ok=True)
            content = file.read_bytes()
            if move:
                shutil.move(file, to)
            else:
                to.write_bytes(content)
            return file, (hashlib.sha256(content).hexdigest(), *_size(content))

        for file, fact in in_order(bring, files):
            facts[file] = fact
            advance(1)
    rows: list[dict[str, object]] = []
    boxes: list[dict[str, object]] = []
    for entry in listed:
        sha256, width, height = facts[entry.file] if entry.file else ("", 0, 0)
        path = entry.file.relative_to(at).as_posix() if entry.file else ""
        found = patient.search(entry.image)
        rows.append(
            {
                "image": entry.image,
                "file": path,
                "sha256": sha256,
                "patient": found["patient"] if found else "",
                "source_image": entry.source_image,
                "width": width,
                "height": height,
                "label": entry.label,
                "labelled_by": entry.labelled_by,
                "official_split": entry.official_split,
                "scanner": entry.scanner,
            }
        )
        boxes.extend(
            {
                "image": entry.image,
                "file": path,
                "structure": box.structure,
                "x0": box.x0 * width,
                "y0": box.y0 * height,
                "x1": box.x1 * width,
                "y1": box.y1 * height,
            }
            for box in entry.boxes
        )
    write_csv(image_table(rows), out / "manifest.csv")
    write_csv(box_table(boxes).round(3), out / "boxes.csv")
    return len(files)


def _size(content: bytes) -> tuple[int, int]:
    """Read width and height in px from an image's header; 0, 0 where there is none."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return 0, 0
