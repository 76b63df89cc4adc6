"""Where labelled images come from: one module per source, with one function that pull calls.

    fetch(request: Request) -> Snapshot

It returns a folder that the data set's module of `labels` reads: `request.origin` itself, or
`request.into`, an empty folder that it has filled. A remote source sets `REMOTE = True` and also has

    newest(request: Request) -> tuple[str, str]

which asks for the newest version, changes nothing, and returns the version that the parameters name
and the newest one, worded like `Snapshot.version`. The content of a remote snapshot is pinned in
git, in `pin.json` and `files.csv` in `request.origin` (see `intake.pins`); `fetch` need not check it.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Pin:
    """What git holds of a remote snapshot, in `pin.json`; the other fields are those of `Snapshot`."""

    version: str
    fingerprint: str
    """Of the content (`intake.pins.fingerprint`)."""
    licence: str = ""
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    archives: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What a source is asked for."""

    data_set: str
    kind: str
    """What its labels are: `planes`, `structures` or `out_of_scope`."""
    origin: Path
    """`data/<source>/<data set>`, pinned by git or DVC."""
    params: Mapping[str, Any]
    """The source's own section of `pull.<data set>` in params.yaml."""
    into: Path
    """An empty folder for this run, below the checkout; it goes when the run ends."""
    keep: Path
    """A folder, perhaps missing, for downloads that later runs can use; it may be deleted at any time."""
    pin: Pin | None
    """What the snapshot has to be; None where nothing is pinned, so that the source is asked anew."""
    workers: int
    advance: Callable[[int], None]
    """Moves the progress bar by a number of images."""


@dataclass(frozen=True)
class Snapshot:
    """What a source gave, and what it says about it."""

    folder: Path
    version: str = ""
    """What is pinned, in words, such as `workspace/project/2 yolov8`."""
    licence: str = ""
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    """What the source did to every image before, in its own words; empty where the images are raw."""
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    """How the source made augmented copies of training images; empty where it made none."""
    archives: Mapping[str, str] = field(default_factory=dict)
    """Checksums that the source states for what was downloaded, file name -> `md5:<hex>`."""


def source(name: str) -> ModuleType:
    """Return the module of a source."""
    return importlib.import_module(f"sonotrace.sources.{name}")


def is_remote(name: str) -> bool:
    """Say whether a source lies elsewhere."""
    return bool(getattr(source(name), "REMOTE", False))
