"""What a snapshot's content is, and the pins in git that hold remote sources to it.

A zip that a service makes anew differs byte by byte from the last one, so a snapshot is known by
the names and the bytes of the files in it. A pin lies in `data/<source>/<data set>`: `pin.json`
says what was pinned, `files.csv` gives each file's sha256, so that a later difference can be named.
"""

import csv
import hashlib
import json
import stat
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from sonotrace.documents import read_json
from sonotrace.errors import SonotraceError
from sonotrace.labels.listing import is_image
from sonotrace.running.item_cache import ItemCache
from sonotrace.running.outputs import write_csv, write_json
from sonotrace.running.parallel import BATCH, in_order
from sonotrace.sources import Pin, Snapshot

PIN, FILES = "pin.json", "files.csv"
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
SETTLED = 2_000_000_000
"""Age in ns from which a file's times tell whether it was written to: clocks of file systems tick in up to 2 s."""


@dataclass(frozen=True)
class Differences:
    """Names of files that one content has and the other has not, or has with other bytes; sorted."""

    added: list[str]
    removed: list[str]
    changed: list[str]

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        """Count them, with the first few names of each kind."""
        parts = [
            f"{len(names)} {how} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
            for how, names in asdict(self).items()
            if names
        ]
        return ", ".join(parts) or "none"


def contents(folder: Path, workers: int, known: ItemCache | None = None) -> dict[str, str]:
    """Return name -> sha256 of every file in `folder` and below, names relative and sorted.

    Read-me files, unless they are images, are left out, since Roboflow writes the date of the export into them; so
    are hidden files. Of its COCO files, `info` does not count, which holds a date too. A file is read only if `known`
    does not have it, or it may have been written to since.
    """
    files = sorted(
        (path.relative_to(folder).as_posix(), path)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and (not path.name.startswith("README") or is_image(path))
    )

    top = folder.absolute()

    def digest(path: Path) -> str:
        state = _state(path, top) if known else ""
        return known.text(state, lambda: _sha256(path)) if known and state else _sha256(path)

    found = in_order(digest, (path for _, path in files), workers, BATCH)
    return {name: sha256 for (name, _), sha256 in zip(files, found, strict=True)}


def _state(path: Path, top: Path) -> str:
    """Return what changes when a file is written to or replaced; nothing where it is too new to tell.

    `st_mtime` can be set back; `st_ctime` cannot, but each hard link that DVC makes or removes changes it. So
    `st_mtime` counts only for a file that DVC protects: one with hard links that nobody may write to.
    """
    found = path.stat()
    is_protected = found.st_nlink > 1 and not found.st_mode & _WRITABLE
    last = found.st_mtime_ns if is_protected else found.st_ctime_ns
    if time.time_ns() - last < SETTLED:
        return ""
    return f"{top / path} {found.st_dev} {found.st_ino} {found.st_size} {last}"


def _sha256(path: Path) -> str:
    if path.name == "_annotations.coco.json":
        return hashlib.sha256(_without_info(path.read_bytes())).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _without_info(annotations: bytes) -> bytes:
    try:
        content = read_json(annotations)
        stated = {key: value for key, value in content.items() if key != "info"} if isinstance(content, dict) else None
        return annotations if stated is None else json.dumps(stated, sort_keys=True).encode()
    except (ValueError, RecursionError):
        return annotations


def fingerprint(content: Mapping[str, str]) -> str:
    """Return `sha256:<hex>` of what `sha256sum` would print for the files, in order of their names."""
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(content.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> Differences:
    """Say in which files `new` differs from `old`."""
    return Differences(
        added=sorted(new.keys() - old.keys()),
        removed=sorted(old.keys() - new.keys()),
        changed=sorted(name for name in old.keys() & new.keys() if old[name] != new[name]),
    )


def read(origin: Path) -> Pin | None:
    """Return the pin in `origin`; None where nothing is pinned yet, which `{}` in its file says too.

    Raises SonotraceError where the file is no pin.
    """
    path = origin / PIN
    try:
        facts = read_json(path.read_text(encoding="utf-8"))
        if facts == {}:
            return None
        return Pin(**{fact.name: facts[fact.name] for fact in fields(Pin) if _is_stated(facts, fact.name)})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise SonotraceError(f"{path}: not a pin; restore it with git, or pin the data set anew") from None


def _is_stated(facts: Mapping[str, object], name: str) -> bool:
    """Say whether a pin states a fact; raises TypeError where it states it as something else than a pin does."""
    if name not in facts:
        return False
    if not isinstance(facts[name], dict if name in {"preprocessing", "augmentation", "archives"} else str):
        raise TypeError(name)
    return True


def read_files(origin: Path) -> dict[str, str]:
    """Return name -> sha256 of the pinned files."""
    try:
        with (origin / FILES).open(encoding="utf-8", newline="") as stream:
            return {row["file"]: row["sha256"] for row in csv.DictReader(stream)}
    except FileNotFoundError:
        return {}
    except (KeyError, UnicodeDecodeError, csv.Error):
        raise SonotraceError(f"{origin / FILES}: not a table of file and sha256; restore it with git") from None


def write(origin: Path, snapshot: Snapshot, content: Mapping[str, str]) -> None:
    """Write the pin of a snapshot into `origin`, which git keeps."""
    write_csv(pd.DataFrame(sorted(content.items()), columns=["file", "sha256"]), origin / FILES)
    pin = Pin(
        snapshot.version,
        fingerprint(content),
        snapshot.licence,
        dict(snapshot.preprocessing),
        dict(snapshot.augmentation),
        dict(snapshot.archives),
    )
    write_json(asdict(pin), origin / PIN)


def hold(data_set: str, origin: Path, pin: Pin, snapshot: Snapshot, content: Mapping[str, str]) -> None:
    """Raise SonotraceError where a remote snapshot is not the pinned one, naming files that differ."""
    if snapshot.version != pin.version:
        raise SonotraceError(
            f"{origin / PIN}: pins {pin.version}, but params.yaml asks for {snapshot.version}; "
            f"run `sonotrace pin {data_set}` to pin that instead"
        )
    if fingerprint(content) != pin.fingerprint:
        raise SonotraceError(
            f"{snapshot.version}: its content is not what {origin / PIN} pins: "
            f"{differences(read_files(origin), content)}; run `sonotrace pin {data_set}` to pin the new content"
        )
