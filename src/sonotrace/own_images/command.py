"""use: take up your own images, or go back to drawn ones, without editing a file."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonotrace.errors import SonotraceError
from sonotrace.labels.planes import is_label_table
from sonotrace.own_images import cohort, edits, presets
from sonotrace.own_images.check import check
from sonotrace.own_images.placing import Offer, is_missing, open_offer, placed, target_of, track
from sonotrace.params import LEARNING, PATH, Params, load
from sonotrace.places import STATE
from sonotrace.running.outputs import scratch, write_bytes
from sonotrace.running.progress import say


@dataclass(frozen=True)
class Wishes:
    """What the user asks for besides."""

    settings: list[str]
    """Parameters of the user's own, as `KEY=VALUE`."""
    replace: bool
    """Whether other files in place may be replaced."""
    dry_run: bool
    """Whether to stop after the check."""
    confirm: Callable[[], bool]
    """Asks whether to go on."""
    cohort: str = ""
    """For a new data set that is only measured on: the data set that the model to measure learned from."""


def use(data_set: str, path: Path, wishes: Wishes) -> None:
    """Check images, put them into `data/incoming/<data set>`, let DVC track them and set the parameters.

    Raises SonotraceError, and changes nothing, where they cannot be used.
    """
    given = edits.read()
    with scratch(STATE / f"use-{data_set}") as work:
        old = cohort.added(given, data_set, wishes.cohort) if wishes.cohort else given
        params = edits.check(old, work)
        kind = params.kind(data_set).name
        offer = open_offer(path, work / "files")
        chosen = edits.parsed(old, wishes.settings)
        values = presets.real(data_set, kind)
        if data_set not in params.learned:
            values = {key: value for key, value in values.items() if not key.startswith(LEARNING)}
        values |= _table(data_set, params, offer, chosen) | chosen
        new = edits.changed(old, values)
        edits.check(new, work)
        say(f"check: {path}, as {data_set}; nothing is changed yet")
        findings = check(data_set, offer.folder, path, new, work / "checkout")
        for line in findings.report():
            say(f"  {line}")
        obstacles = list(findings.obstacles())
        for obstacle in obstacles[1:]:
            say(f"  stops the run: {obstacle}")
        if obstacles:
            raise SonotraceError(f"{path}: {obstacles[0]} (nothing was changed)")
        missing, push = is_missing(data_set, offer, wishes.replace), not offer.has_dicom
        if missing:
            say(f"files: copied to {target_of(data_set)}, and `dvc add`")
        if not push:
            say("files: DICOM files name their patients, so `push: false` keeps them from every remote")
        _show(data_set, given, new)
        if wishes.dry_run or not wishes.confirm():
            say("use: nothing was changed")
            return
        with placed(data_set, offer, work) if missing else nullcontext():
            track(data_set, push=push)
        write_bytes(new.encode(), PATH)
    say(f"use: {data_set} comes from {target_of(data_set)}. Next:")
    say(f'  git add {PATH} data/incoming && git commit -m "Own images: {data_set}"')
    say("  dvc repro")


def use_phantom(data_set: str, wishes: Wishes) -> None:
    """Set source and values of a data set back to those for drawn images; own images stay where they are."""
    old = edits.read()
    chosen = edits.parsed(old, wishes.settings)
    new = edits.changed(old, presets.drawn(data_set, load().kind(data_set).name) | chosen)
    with scratch(STATE / f"use-{data_set}") as work:
        edits.check(new, work)
    _show(data_set, old, new)
    if old == new or wishes.dry_run or not wishes.confirm():
        say("use: nothing was changed")
        return
    write_bytes(new.encode(), PATH)
    say(f"use: {data_set} is drawn by the phantom. Next:")
    say(f'  git add {PATH} && git commit -m "Drawn images: {data_set}"')
    say("  dvc repro")
    if target_of(data_set).exists():
        say(f"`sonotrace use {data_set} {target_of(data_set)}` goes back to your own images, which stay there.")


def _table(data_set: str, params: Params, offer: Offer, chosen: dict[str, Any]) -> dict[str, str]:
    """Return the parameter that names the label table, where the data set has one and it is called otherwise."""
    key = f"pull.{data_set}.incoming.table"
    named = getattr(params.pull[data_set].incoming, "table", None)
    if named is None or key in chosen:
        return {}
    tables = sorted({file.name for file in offer.folder.rglob("*.csv") if file.is_file() and is_label_table(file)})
    if named in tables or not tables:
        return {}
    if len(tables) > 1:
        raise SonotraceError(
            f"{offer.given}: {len(tables)} label tables ({', '.join(tables)}); choose one, such as -S {key}={tables[0]}"
        )
    return {key: tables[0]}


def _show(data_set: str, old: str, new: str) -> None:
    """Print how params.yaml changes."""
    if old == new:
        say(f"{PATH}: as it should be for {data_set}")
    for line in edits.diff(old, new):
        say(line)
