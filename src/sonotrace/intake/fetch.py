"""Ask the source that the parameters choose for its snapshot, and hold a remote one to its pin."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.intake import pins, tree
from sonotrace.params.pull import PullOutOfScope, PullPlanes, PullStructures
from sonotrace.places import DATA, STATE
from sonotrace.running.item_cache import ItemCache
from sonotrace.running.outputs import remove
from sonotrace.running.parallel import available_cores
from sonotrace.running.progress import bar
from sonotrace.sources import Pin, Request, Snapshot, is_remote, source


@dataclass(frozen=True)
class Choice:
    """The source that the parameters choose for a data set."""

    data_set: str
    kind: str
    source: str
    settings: Mapping[str, Any]
    """The source's own section of `pull.<data set>`."""

    @property
    def origin(self) -> Path:
        """The folder of what git or DVC tracks of this source."""
        return DATA / self.source / self.data_set

    @property
    def downloads(self) -> Path:
        """The folder of downloads that later runs can use."""
        return STATE / "downloads" / self.source

    @property
    def is_remote(self) -> bool:
        """Whether the source lies elsewhere."""
        return is_remote(self.source)

    def request(self, into: Path, pin: Pin | None, advance: Callable[[int], None] = lambda _: None) -> Request:
        """Return what the source is asked with."""
        cores = available_cores()
        return Request(self.data_set, self.kind, self.origin, self.settings, into, self.downloads, pin, cores, advance)


@dataclass(frozen=True)
class Fetched:
    """A snapshot that is here, and what is in it."""

    snapshot: Snapshot
    origin: Path
    content: Mapping[str, str]
    """Path below the snapshot's folder -> sha256 (`pins.contents`)."""
    is_temporary: bool
    """Whether the files were made for this run, so that they may be moved."""


def choice(data_set: str, params: PullPlanes | PullStructures | PullOutOfScope) -> Choice:
    """Return the source that `params`, the section `pull.<data set>`, chooses."""
    return Choice(data_set, params.kind, params.source, getattr(params, params.source).model_dump())


def required_pin(chosen: Choice) -> Pin | None:
    """Return the pin that a remote snapshot is held to; None for a local one, which git and DVC pin by themselves.

    Raises SonotraceError where the source has no folder, or is remote and nothing is pinned yet.
    """
    if not chosen.origin.is_dir():
        raise SonotraceError(f"{chosen.origin}: no such folder; put the snapshot there and `dvc add` it")
    if not chosen.is_remote:
        return None
    pin = pins.read(chosen.origin)
    if pin is None:
        raise SonotraceError(
            f"{chosen.origin / pins.PIN}: nothing is pinned yet; run `sonotrace pin {chosen.data_set}`, then commit it"
        )
    return pin


def fetch(chosen: Choice, into: Path, pin: Pin | None) -> Fetched:
    """Have the source bring its snapshot, into the empty folder `into` or where it lies, and hash its files.

    Raises SonotraceError where that fails, something in the folder would be passed over (`tree.check`), or
    the content is not what `pin` says. A download that
    failed so is not kept, since it would make every later pull fail.
    """
    with bar("snapshot", chosen.settings.get("images", 0)) as advance:
        snapshot: Snapshot = source(chosen.source).fetch(chosen.request(into, pin, advance))
    tree.check(snapshot.folder)
    is_temporary = snapshot.folder == into
    with ItemCache("sha256", [pins], None) as known:
        content = pins.contents(snapshot.folder, available_cores(), None if is_temporary else known)
    if pin:
        try:
            pins.hold(chosen.data_set, chosen.origin, pin, snapshot, content)
        except SonotraceError:
            remove(chosen.downloads)
            raise
    return Fetched(snapshot, chosen.origin, content, is_temporary)
