"""The user's own snapshot, put in `data/incoming/<data set>` and tracked by `dvc add`."""

import re
from pathlib import Path

import yaml

from sonotrace.errors import SonotraceError
from sonotrace.labels.listing import images_below
from sonotrace.sources import Request, Snapshot
from sonotrace.sources.transfer.archives import TAR_ENDINGS, unpack

_APPLIED = re.compile(
    r"^The following (pre-processing|augmentation) was applied[^\n]*\n((?:\* [^\n]*\n?)+)", re.MULTILINE
)


def fetch(request: Request) -> Snapshot:
    """Give `request.origin`, or `request.into` with the contents of the one archive in it."""
    archives = sorted(path for path in request.origin.glob("*") if path.name.lower().endswith((".zip", *TAR_ENDINGS)))
    folder = request.origin
    if not any(path for path in folder.iterdir() if not path.name.startswith(".")):
        raise SonotraceError(f"{folder}: empty; put a snapshot there and `dvc add` it")
    if len(archives) > 1 and not images_below(folder):
        raise SonotraceError(f"{folder}: {len(archives)} archives and no images; leave one, or unpack them")
    if len(archives) == 1 and not images_below(request.origin):
        unpack(archives[0], request.into)
        folder = request.into
    preprocessing, augmentation = _roboflow_notes(folder)
    return Snapshot(folder, licence=_licence(folder), preprocessing=preprocessing, augmentation=augmentation)


def _roboflow_notes(folder: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Read what a Roboflow export says was done to its images, in its own words."""
    notes = sorted(folder.rglob("README.roboflow.txt"))
    text = notes[0].read_text(encoding="utf-8", errors="replace") if len(notes) == 1 else ""
    found = {
        what: [line.removeprefix("* ").strip() for line in lines.splitlines()]
        for what, lines in _APPLIED.findall(text.replace("\r\n", "\n"))
    }
    before, copies = ({"notes": found[what]} if what in found else {} for what in ("pre-processing", "augmentation"))
    return before, copies


def _licence(folder: Path) -> str:
    """Read the licence that a Roboflow export states in its `data.yaml`, if it does."""
    cards = sorted(folder.rglob("data.yaml"))
    if len(cards) != 1:
        return ""
    try:
        return str(yaml.safe_load(cards[0].read_text(encoding="utf-8"))["roboflow"]["license"])
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError):
        return ""
