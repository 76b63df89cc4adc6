"""Results of earlier runs, image by image, so that a new snapshot costs what changed.

An index leads from an item (such as an image's bytes) to its result: a short text, or the md5 of a
file whose bytes DVC's cache holds already. There is one index for each combination of stage,
parameters, code, library versions and CPU features, so going back to an older one costs nothing
either. A file is reused only if it is there and whole; anything else is a miss, and the result
is made again. So the index, in `sonotrace/` beside DVC's objects, may be deleted at any time.

Each run that has something new writes a file of its own: on NFS, two machines that append to one
file overwrite each other.
"""

import hashlib
import os
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self
from uuid import uuid4

from sonotrace.running.outputs import write_into

LIBRARIES = (
    *("numpy", "opencv-python-headless", "pillow"),
    *("pydicom", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle"),
)
"""What reads and changes images besides our own code; results depend on their versions."""


class ItemCache(AbstractContextManager["ItemCache"]):
    """What a stage made of each item before, under the same conditions; threads may share one."""

    def __init__(self, stage: str, code: list[ModuleType], parameters: object, top: Path | None = None) -> None:
        """Open the index for `code`, the modules that decide the results, and `parameters`, by their `repr`.

        It belongs to the DVC repository in the folder `top`, or else the working directory; where
        that is none, all is made anew.
        """
        place, self.links = dvc_cache(top or Path())
        self._objects = place / "files/md5" if place else None
        self._index = place / "sonotrace" / stage / _conditions(code, parameters) if place else None
        self._known = _read(self._index)
        self._new: dict[str, str] = {}
        self.made = 0
        """Results that were made rather than taken over."""

    def __enter__(self) -> Self:
        """Begin a run."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Add what is new to the index, unless the block failed."""
        if kind is None and self._index and self._new:
            self._index.parent.mkdir(parents=True, exist_ok=True)
            lines = "".join(f"{item} {value}\n" for item, value in sorted(self._new.items()))
            self._index.with_name(f"{self._index.name}.{uuid4().hex}").write_bytes(lines.encode())

    def text(self, item: str, make: Callable[[], str]) -> str:
        """Return the result for an item, a line of text, made by `make` if it is not known."""
        key = _key(item)
        value = self._known.get(key)
        if value is None:
            value = make()
            self._note(key, value)
        return value

    def file(self, item: str, target: Path, make: Callable[[], bytes]) -> bool:
        """Have the item's file be at `target`: from DVC's cache, or made by `make`; say whether it was made.

        It is a hard link into the cache where DVC's `cache.type` names those, else a copy: DVC would take
        a link apart again.
        """
        key = _key(item)
        if self._take(self._known.get(key, ""), target):
            return False
        content = make()
        write_into(target, content)
        if self._index:
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            self._note(key, f"{md5} {zlib.crc32(content):08x}")
        return True

    def _note(self, key: str, value: str) -> None:
        self.made += 1
        self._new[key] = value

    def _take(self, value: str, target: Path) -> bool:
        """Put the object that `value` names at `target`; say whether that worked.

        A damaged object is removed: DVC takes one for whole that is there, and would not store the new one.
        """
        md5, _, checksum = value.partition(" ")
        if not value or self._objects is None:
            return False
        at = f"{self._objects}/{md5[:2]}/{md5[2:]}"
        try:
            with open(at, "rb", buffering=0) as stream:  # noqa: PTH123 - half the time, and this is done for each image
                content = stream.read()
        except OSError:
            return False
        if f"{zlib.crc32(content):08x}" != checksum:
            Path(at).unlink(missing_ok=True)
            return False
        if not (self.links and link(at, target)):
            write_into(target, content)
        return True


def dvc_cache(top: Path) -> tuple[Path | None, bool]:
    """Return the folder of DVC's cache, wherever it is configured to be, and whether `cache.type` names hard links.

    There is none outside a DVC repository.
    """
    if not (top / ".dvc").is_dir():
        return None, False
    from dvc.config import Config

    cache: Any = Config(str(top / ".dvc"))["cache"]
    place = Path(cache["dir"]) if cache.get("dir") else (top / ".dvc/cache").resolve()
    return place, "hardlink" in cache.get("type", ())


def link(at: str | Path, target: Path) -> bool:
    """Make a hard link; say whether that worked."""
    try:
        os.link(at, target)
    except OSError:  # another file system, or one without links
        return False
    return True


def _key(item: str) -> str:
    return hashlib.sha256(item.encode()).hexdigest()[:32]


def _read(index: Path | None) -> dict[str, str]:
    """Read key -> value of all files of an index; a line that was cut short by a full disk counts as none.

    An index that is a single file, without an ending, is read too.
    """
    known: dict[str, str] = {}
    for file in sorted(index.parent.glob(f"{index.name}*")) if index else ():
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        known |= dict(line.split(" ", 1) for line in lines if line[32:33] == " ")
    return known


def _conditions(code: list[ModuleType], parameters: object) -> str:
    """Hash all that decides a result besides the item."""
    parts = [repr(parameters), _platform()]
    parts += [hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest() for module in code]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@cache
def _platform() -> str:
    """Name the libraries and the CPU features that they choose their instructions by."""
    import cv2
    import numpy as np

    found: Any = np.show_config(mode="dicts")
    versions = [f"{name} {version(name)}" for name in LIBRARIES]
    return "\n".join([*versions, cv2.getCPUFeaturesLine(), repr(found["SIMD Extensions"])])
