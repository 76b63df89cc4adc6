"""The user's own snapshot, put in `data/incoming/<data set>` and tracked by `dvc add`."""

import re
from pathlib import Path

from sonotrace.documents import read_yaml
from sonotrace.errors import SonotraceError
from sonotrace.labels.listing import images_below
from sonotrace.running.outputs import copy_into
from sonotrace.sources import Request, Snapshot
from sonotrace.sources.transfer.archives import archives_in, unpack

_APPLIED = re.compile(
    r"^The following (pre-processing|augmentation) was applied[^\n]*\n((?:\* [^\n]*\n?)+)", re.MULTILINE
)


def fetch(request: Request) -> Snapshot:
    """Give `request.origin` or, if its images are in an archive, `request.into` with all that both hold.

    Raises SonotraceError where it is empty, or has no images and several archives, or one that cannot be unpacked.
    """
    folder = request.origin
    if not any(path for path in folder.iterdir() if not path.name.startswith(".")):
        raise SonotraceError(f"{folder}: empty; put a snapshot there and `dvc add` it")
    archives = archives_in(folder)
    if archives and not images_below(folder):
        if len(archives) > 1:
            raise SonotraceError(f"{folder}: {len(archives)} archives and no images; leave one, or unpack them there")
        unpack(archives[0], request.into)
        _lay_beside(folder, archives[0], request.into)
        inner = archives_in(request.into)
        if inner and not images_below(request.into):
            raise SonotraceError(
                f"{archives[0]}: holds no image, but an archive, {inner[0].name}; "
                f"unpack it once, and put only {inner[0].name} or its contents there"
            )
        folder = request.into
    preprocessing, augmentation = _roboflow_notes(folder)
    return Snapshot(folder, licence=_licence(folder), preprocessing=preprocessing, augmentation=augmentation)


def _lay_beside(origin: Path, archive: Path, into: Path) -> None:
    """Copy what is beside an archive, such as a label table, to what was in it."""
    for path in sorted(origin.rglob("*")):
        to = into / path.relative_to(origin)
        if path == archive or path.name.startswith(".") or not path.is_file():
            continue
        if to.exists():
            raise SonotraceError(f"{path}: {archive.name} holds that name too; keep one of them")
        to.parent.mkdir(parents=True, exist_ok=True)
        copy_into(to, path)


def _roboflow_notes(folder: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Read what a Roboflow export says was done to its images, in its own words."""
    notes = sorted(path for path in folder.rglob("README.roboflow.txt") if path.is_file())
    text = notes[0].read_text(encoding="utf-8", errors="replace") if len(notes) == 1 else ""
    found = {
        what: [line.removeprefix("* ").strip() for line in lines.splitlines()]
        for what, lines in _APPLIED.findall(text.replace("\r\n", "\n"))
    }
    before, copies = ({"notes": found[what]} if what in found else {} for what in ("pre-processing", "augmentation"))
    return before, copies


def _licence(folder: Path) -> str:
    """Read the licence that a Roboflow export states in its `data.yaml`, if it does."""
    cards = [path for path in folder.rglob("data.yaml") if path.is_file()]
    if len(cards) != 1:
        return ""
    try:
        return str(read_yaml(cards[0].read_text(encoding="utf-8"))["roboflow"]["license"])
    except (ValueError, KeyError, TypeError):
        return ""
