"""Bring one file of a snapshot in: as it is, or, where it is DICOM, as de-identified PNGs."""

import functools
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sonotrace.images import grey as images
from sonotrace.images.grey import encode_png, header_size
from sonotrace.intake import dicom
from sonotrace.patients import pseudonyms
from sonotrace.patients.pseudonyms import Pseudonyms
from sonotrace.patients.withdrawals import Withdrawals
from sonotrace.running.item_cache import ItemCache, link
from sonotrace.running.outputs import copy_into

CLOSED = {"frames": "middle", "crops": {}}
"""How DICOM is read from a source that has no parameters for it."""


@dataclass(frozen=True)
class Brought:
    """An image as it was brought in, or a DICOM file that was refused."""

    file: str
    """Its path below `images`; empty where it was refused."""
    sha256: str = ""
    width: int = 0
    height: int = 0
    image: str = ""
    """Its id, where its own name might tell who the patient is."""
    patient: str = ""
    scanner: str = ""
    mm_per_px: tuple[float, float] | None = None
    full: tuple[int, int] | None = None
    """Width and height in px of the frame it was cut out of."""
    offset: tuple[int, int] = (0, 0)
    """Where in that frame its upper left corner lies, px."""
    alone: bool = True
    """Whether it is the only image of its file."""
    refused: str = ""
    """Why, as `reason: detail`."""


def open_cache(settings: Mapping[str, Any], names: Pseudonyms | None, top: Path | None = None) -> ItemCache:
    """Open what was read of files before, with the same settings and the same patient key."""
    parameters = [json.dumps(settings, sort_keys=True), names.check_value() if names else ""]
    return ItemCache("pull", [dicom, images, pseudonyms, sys.modules[__name__]], parameters, top)


def bring_plain(file: Path, name: str, sha256: str, into: Path, move: bool, cache: ItemCache) -> Brought:
    """Bring a file to `into/name`: moved, else as a copy or, where DVC's `cache.type` names those, as a hard link."""
    to = into / name
    to.parent.mkdir(parents=True, exist_ok=True)
    if move:
        shutil.move(file, to)
    elif not (cache.links and link(file.resolve() if file.is_symlink() else file, to)):
        copy_into(to, file)
    width, height = json.loads(cache.text(f"size {sha256}", lambda: json.dumps(header_size(to) or (0, 0))))
    return Brought(name, sha256, width, height)


def bring_dicom(
    file: Path,
    sha256: str,
    into: Path,
    settings: Mapping[str, Any],
    names: Pseudonyms,
    withdrawals: Withdrawals,
    cache: ItemCache,
) -> list[Brought]:
    """Write the chosen frames of a DICOM file below `into`, under names that tell nothing.

    An image's id comes from the SOP instance UID, so that it stays in the next snapshot; its file's
    name from the bytes, so that two files with one UID do not overwrite each other. Nothing is
    written, and nothing returned, for a patient who withdrew. What the cache keeps of a file names its
    patient by keyed hashes only.
    """
    written = names.of("file", sha256)

    @functools.cache
    def clip() -> dicom.Clip:
        crops = {device: tuple(crop) for device, crop in settings["crops"].items()}
        return dicom.read(file.read_bytes(), settings["frames"], crops)

    said = json.loads(cache.text(f"dicom {sha256}", lambda: _facts(clip, written, settings["frames"] == "all", names)))
    if any(withdrawals.hold_hash(hashed) for hashed in said["withdrawn"]):
        return []
    brought = []
    for at, facts in enumerate(said["brought"]):
        if facts["file"]:
            target = into / facts["file"]
            cache.file(f"png {at} {sha256}", target, functools.partial(_png, clip, at))
            facts["sha256"] = hashlib.sha256(target.read_bytes()).hexdigest()
        for pair in ("mm_per_px", "full", "offset"):
            facts[pair] = facts[pair] and tuple(facts[pair])
        brought.append(Brought(**facts))
    return brought


def _png(clip: Callable[[], dicom.Clip], at: int) -> bytes:
    return encode_png(clip().frames[at].image)


def _facts(clip: Callable[[], dicom.Clip], written: str, several: bool, names: Pseudonyms) -> str:
    """Return all that is known of a DICOM file but its pixels, as JSON."""
    try:
        read = clip()
    except dicom.Refused as refused:
        reason = f"{refused.reason}: {refused.detail}"
        return json.dumps({"withdrawn": [], "brought": [asdict(Brought("", image=f"dicom-{written}", refused=reason))]})
    patient, image = names.of("patient", read.patient), names.of("image", read.instance)
    brought = []
    for frame in read.frames:
        suffix = f"_{frame.number:04d}" if several else ""
        left, top, right, bottom = frame.region
        brought.append(
            Brought(
                f"{written}{suffix}.png",
                width=right - left,
                height=bottom - top,
                image=f"{image}{suffix}",
                patient=patient,
                scanner=read.scanner,
                mm_per_px=read.mm_per_px,
                full=read.size,
                offset=(left, top),
                alone=len(read.frames) == 1,
            )
        )
    withdrawn = [names.of("withdrawn", name) for name in (read.patient.partition("\n")[0], patient)]
    return json.dumps({"withdrawn": withdrawn, "brought": [asdict(one) for one in brought]})
