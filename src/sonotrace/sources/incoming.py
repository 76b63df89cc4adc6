"""The user's own snapshot, put in `data/incoming/<data set>` and tracked by `dvc add`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sonotrace.archives import unpack


def snapshot(
    data_set: str,
    origin: Path,
    params: Mapping[str, Any],
    into: Path,
    workers: int,
    advance: Callable[[int], None],
) -> Path:
    """Return `origin`, or `into` with the contents of the one zip file that `origin` holds."""
    archives = sorted(origin.glob("*.zip"))
    table = params.get("table", "data.yaml")
    unpacked = any(path.name == table for path in origin.rglob("*"))
    if unpacked or len(archives) != 1:
        return origin
    unpack(archives[0], into)
    return into
