"""What lies in a snapshot's folder: pull passes over nothing in it without a word."""

import os
from collections import Counter
from pathlib import Path

from sonotrace.errors import SonotraceError
from sonotrace.labels.listing import Listing


def check(folder: Path) -> None:
    """Raise SonotraceError for what neither `dvc add` nor pull can follow, read or write down in a table.

    That is links to folders, links to nothing, folders that may not be read, and names that are not UTF-8.
    """
    for at, folders, files in os.walk(folder, onerror=_unreadable):
        for name in [*folders, *files]:
            path = Path(at, name)
            if not _is_utf8(name):
                shown = os.fsencode(path).decode(errors="backslashreplace")
                raise SonotraceError(f"{shown}: the name is not UTF-8; rename it (`convmv` does so for many files)")
        for path in (Path(at, name) for name in folders):
            if path.is_symlink():
                raise SonotraceError(
                    f"{path}: a link to a folder, which neither `dvc add` nor pull follows; "
                    "put a copy of the folder in its place (`cp -rL`)"
                )
        for path in (Path(at, name) for name in files):
            if path.is_symlink() and not path.exists():
                raise SonotraceError(
                    f"{path}: a link to a file that is not there; restore the file, or remove the link"
                )


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unreadable(error: OSError) -> None:
    raise SonotraceError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions") from None


def ignored(folder: Path, listing: Listing) -> dict[str, int]:
    """Count the files that pull leaves out by their kind: an ending such as `.mp4`, `hidden` or `no ending`.

    Read-me files do not count.
    """
    used = {entry.file for entry in listing.entries} | listing.label_files
    kinds: Counter[str] = Counter()
    for at, _, names in os.walk(folder):
        for name in names:
            if not name.startswith("README") and Path(at, name) not in used:
                kinds[_kind(name)] += 1
    return dict(sorted(kinds.items()))


def _kind(name: str) -> str:
    if name.startswith("."):
        return "hidden"
    ending = Path(name).suffix.lower()
    return ending if ending.strip(".0123456789") else "no ending"
