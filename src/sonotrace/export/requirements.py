"""The locked dependencies: `requirements.lock`, as `make lock` writes it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sonotrace.errors import SonotraceError

_PACKAGE = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+?))? \\$")
_HASH = re.compile(r"^    --hash=sha256:(?P<sha256>[0-9a-f]{64})(?: \\)?$")


@dataclass(frozen=True)
class Package:
    """A package in the lock."""

    name: str
    version: str
    marker: str
    """Where it is needed, as PEP 508 writes it; empty for everywhere."""
    hashes: list[str]
    """sha256 of each distribution file that may be installed, one of which is."""


def packages(lock: Path) -> Iterator[Package]:
    """Yield the packages of a lock in its order; raises SonotraceError for a line that is none of its kind."""
    found: Package | None = None
    for number, line in enumerate(lock.read_text(encoding="utf-8").splitlines(), 1):
        package, digest = _PACKAGE.match(line), _HASH.match(line)
        if package:
            if found:
                yield found
            found = Package(package["name"], package["version"], package["marker"] or "", [])
        elif digest and found:
            found.hashes.append(digest["sha256"])
        else:
            raise SonotraceError(
                f"{lock.name}: line {number} is {line!r}, not a package with its hashes; `make lock` writes it anew"
            )
    if found:
        yield found
