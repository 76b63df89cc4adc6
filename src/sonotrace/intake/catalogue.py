"""Where the data comes from: what is pinned, whether there is something newer, and pinning it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from sonotrace import labels
from sonotrace.errors import SonotraceError
from sonotrace.intake import fetch, pins
from sonotrace.intake.fetch import Choice
from sonotrace.params import load
from sonotrace.places import REPORTS, STATE
from sonotrace.running.outputs import scratch
from sonotrace.running.progress import say
from sonotrace.sources import Pin, source


def show(check: bool) -> bool:
    """Print where each data set comes from; with `check`, ask remote sources and return whether one has newer."""
    choices = [_choice(data_set) for data_set in load().data_sets]
    for chosen in choices:
        say(chosen.data_set)
        for name, value in describe(chosen).items():
            say(f"  {name:12}{value}")
    newer = False
    for chosen in choices if check else ():
        answer, is_newer = _newest(chosen)
        newer |= is_newer
        say(f"{chosen.data_set}: {answer}")
    return newer


def describe(chosen: Choice) -> dict[str, str]:
    """Return source, version, fingerprint, date of pinning, licence and counts of a data set, as text."""
    facts = {"source": chosen.source}
    pulled = _read(REPORTS / chosen.data_set / "snapshot.json")
    if pulled.get("source") != chosen.source:
        pulled = {}
    pin = pins.read(chosen.origin) if chosen.is_remote else _as_pulled(pulled)
    if pin is None:
        facts["pinned"] = "nothing yet" if chosen.is_remote else f"see {chosen.origin}.dvc; not pulled yet"
        return facts
    facts["version"] = pin.version or "the user's own files"
    facts["fingerprint"] = pin.fingerprint
    facts["pinned"] = _since(chosen.origin)
    facts["licence"] = pin.licence or "not stated"
    if pulled.get("fingerprint") == pin.fingerprint:
        patients = _read(REPORTS / chosen.data_set / "data.json").get("patients", "?")
        facts["counts"] = f"{pulled['images']} images, {pulled['rows']} rows, {patients} patients accepted"
    else:
        facts["counts"] = "not pulled yet; `dvc repro` does so"
    return facts


def pin(data_set: str) -> None:
    """Fetch what the parameters name anew, say how it differs from what was pinned, and pin it.

    The pin is for git; nothing is pulled, and the last pull's outputs stay as they are.
    """
    chosen = _choice(data_set)
    if not chosen.is_remote:
        raise SonotraceError(
            f"params.yaml: pull.{data_set}.source is {chosen.source!r}, which git and DVC pin by themselves "
            f"(`dvc add data/incoming/{data_set}`); only remote sources need `sonotrace pin`"
        )
    before = pins.read_files(chosen.origin)
    with scratch(STATE / f"pin-{data_set}") as into:
        fetched = fetch.fetch(chosen, into.resolve(), None)
        listing = labels.of(chosen.kind).read_snapshot(fetched.snapshot.folder, chosen.settings, data_set)
    version, content, listed = fetched.snapshot.version, fetched.content, listing.entries
    if not any(entry.file for entry in listed):
        raise SonotraceError(f"{version}: no image in it; name another version or format in params.yaml")
    pins.write(chosen.origin, fetched.snapshot, content)
    say(f"pin: {version}: {len(listed)} rows, {len(content)} files, {pins.fingerprint(content)}")
    if before:
        say(f"pin: against what was pinned before: {pins.differences(before, content)}")
    say(f"pin: next: git add {chosen.origin} && git commit, then dvc repro")


def _choice(data_set: str) -> Choice:
    return fetch.choice(data_set, load().pull[data_set])


def _as_pulled(pulled: dict[str, Any]) -> Pin | None:
    """Return what the last pull of a local source says of it, as if pinned."""
    return Pin(pulled["version"], pulled["fingerprint"], pulled["licence"]) if pulled else None


def _newest(chosen: Choice) -> tuple[str, bool]:
    if not chosen.is_remote:
        return "not asked: this source is pinned here", False
    # It is only asked, so nothing is written into the folder.
    current, newest = source(chosen.source).newest(chosen.request(chosen.origin, pins.read(chosen.origin)))
    return (f"{newest}, newer than {current}", True) if newest != current else (f"{current} is the newest", False)


def _since(origin: Path) -> str:
    """Return date and commit of the last change of the pin, from git."""
    paths = [str(origin), f"{origin}.dvc"]
    found = subprocess.run(
        ["git", "log", "-1", "--format=%as, commit %h", "--", *paths], capture_output=True, text=True, check=False
    )
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", *paths], capture_output=True, text=True, check=False
    )
    return "not committed yet" if changed.stdout or not found.stdout else found.stdout.strip()


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
