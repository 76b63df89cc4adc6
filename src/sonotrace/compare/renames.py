"""Which files were moved, and which parameters only got another key."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import product
from pathlib import PurePosixPath

LEAST = 0.5
"""Share of the lines of the longer file that two versions of a moved file have in common, as in git."""


def of_files(gone: Mapping[str, bytes], new: Mapping[str, bytes]) -> dict[str, str]:
    """Return new path -> old path of the files that were moved, from the contents of those gone and those new.

    A file was moved if a new one has the same bytes, or at least LEAST of its lines; blank lines and
    comments do not count, as licence headers are alike everywhere. Each file is paired once: the most
    alike first, then those that kept their name.
    """
    lines_of_gone, lines_of_new = ({path: _lines(text) for path, text in files.items()} for files in (gone, new))
    pairs = []
    for old, path in product(gone, new):
        alike = 1.0 if gone[old] == new[path] else _alike(lines_of_gone[old], lines_of_new[path])
        if alike >= LEAST:
            pairs.append((-alike, PurePosixPath(old).name != PurePosixPath(path).name, old, path))
    found: dict[str, str] = {}
    paired: set[str] = set()
    for _, _, old, path in sorted(pairs):
        if old not in paired and path not in found:
            found[path] = old
            paired.add(old)
    return found


def _lines(content: bytes) -> Counter[bytes]:
    return Counter(line for line in content.splitlines() if line.strip() and not line.lstrip().startswith(b"#"))


def _alike(one: Counter[bytes], other: Counter[bytes]) -> float:
    return (one & other).total() / max(one.total(), other.total(), 1)


def of_parameters(gone: Collection[str], new: Collection[str], data_sets: Iterable[str]) -> dict[str, str]:
    """Return new key -> old key of the parameters whose keys differ by the name of a data set alone.

    `train_cnn.epochs` and `train_cnn.planes.epochs` are the same parameter, either way round. Each key
    is paired once; data sets that come first have precedence.
    """
    found: dict[str, str] = {}
    for data_set in data_sets:
        for key in sorted(new):
            plain = _without(data_set, key)
            if plain in gone and plain not in found.values():
                found.setdefault(key, plain)
        for key in sorted(gone):
            plain = _without(data_set, key)
            if plain in new and key not in found.values():
                found.setdefault(plain, key)
    return found


def _without(data_set: str, key: str) -> str:
    """Take the name of a data set out of `<stage>.<data set>.<rest>`; return other keys as empty text."""
    stage, _, rest = key.partition(".")
    name, _, rest = rest.partition(".")
    return f"{stage}.{rest}" if name == data_set and rest else ""
