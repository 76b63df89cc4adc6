"""Where the data comes from: what is pinned, whether there is something newer, and pinning it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.intake import pins
from sonotrace.params import load
from sonotrace.places import DATA, REPORTS, STATE
from sonotrace.running.outputs import scratch
from sonotrace.running.parallel import available_cores
from sonotrace.running.progress import say
from sonotrace.sources import is_remote, source
from sonotrace.stages.pull import fetch, read_snapshot, request


def show(check: bool) -> bool:
    """Print what each data set comes from; with `check`, ask remote sources and return whether one has newer."""
    newer = False
    data_sets = load().data_sets
    for data_set in data_sets:
        say(data_set)
        for name, value in describe(data_set).items():
            say(f"  {name:12}{value}")
    for data_set in data_sets if check else ():
        said, is_newer = _newest(data_set)
        newer |= is_newer
        say(f"{data_set}: {said}")
    return newer


def describe(data_set: str) -> dict[str, Any]:
    """Return source, version, fingerprint, date of pinning, licence and counts of a data set, as text."""
    name: str = load().pull[data_set].source
    origin = DATA / name / data_set
    facts: dict[str, Any] = {"source": name}
    pulled = _read(REPORTS / data_set / "snapshot.json")
    pin = pins.read(origin)
    stated = pin or (pulled if pulled.get("source") == name else {})
    if not stated:
        facts["pinned"] = "nothing yet" if is_remote(name) else f"see {origin}.dvc; not pulled yet"
        return facts
    facts["version"] = stated["version"] or "the user's own files"
    facts["fingerprint"] = stated["fingerprint"]
    facts["pinned"] = _since(origin)
    facts["licence"] = stated["licence"] or "not stated"
    if pulled.get("fingerprint") == stated["fingerprint"]:
        patients = _read(REPORTS / data_set / "data.json").get("patients", "?")
        facts["counts"] = f"{pulled['images']} images, {pulled['rows']} rows, {patients} patients accepted"
    else:
        facts["counts"] = "not pulled yet; `dvc repro` does so"
    return facts


def pin(data_set: str) -> None:
    """Fetch what the parameters name anew, say how it differs from what was pinned, and pin it.

    The pin is for git; nothing is pulled, and the last pull's outputs stay as they are.
    """
    params = load().pull[data_set]
    if not is_remote(params.source):
        raise SonotraceError(
            f"params.yaml: pull.{data_set}.source is {params.source!r}, which git and DVC pin by themselves "
            f"(`dvc add data/incoming/{data_set}`); only sources elsewhere need `sonotrace pin`"
        )
    origin = DATA / params.source / data_set
    before = pins.read_files(origin)
    with scratch(STATE / f"pin-{data_set}") as into:
        snapshot = fetch(data_set, into.resolve(), None)
        content = pins.contents(snapshot.folder, available_cores())
        listed = read_snapshot(data_set, snapshot.folder, getattr(params, params.source).model_dump())
    if not any(entry.file for entry in listed):
        raise SonotraceError(f"{snapshot.version}: no image in it; name another version or format in params.yaml")
    pins.write(origin, snapshot, content)
    say(f"pin: {snapshot.version}: {len(listed)} rows, {len(content)} files, {pins.fingerprint(content)}")
    if before:
        say(f"pin: against what was pinned before: {pins.differences(before, content)}")
    say(f"pin: next: git add {origin} && git commit, then dvc repro")


def _newest(data_set: str) -> tuple[str, bool]:
    params = load().pull[data_set]
    if not is_remote(params.source):
        return "not asked: this source is pinned here", False
    origin = DATA / params.source / data_set
    current, newest = source(params.source).newest(request(data_set, origin, pins.read(origin) or None))
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
