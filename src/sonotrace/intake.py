"""Bring one file of a snapshot in: as it is, or, where it is DICOM, as de-identified PNGs."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonotrace import dicom
from sonotrace.images import header_size, write_png
from sonotrace.pseudonyms import Pseudonyms
from sonotrace.withdrawals import Withdrawals

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


def bring_plain(file: Path, name: str, sha256: str, images: Path, move: bool) -> Brought:
    """Move or copy a file to `images/name`."""
    to = images / name
    to.parent.mkdir(parents=True, exist_ok=True)
    if move:
        shutil.move(file, to)
    else:
        shutil.copyfile(file, to)
    return Brought(name, sha256, *(header_size(to) or (0, 0)))


def bring_dicom(
    file: Path, sha256: str, images: Path, settings: Mapping[str, Any], pseudonyms: Pseudonyms, withdrawals: Withdrawals
) -> list[Brought]:
    """Write the chosen frames of a DICOM file below `images`, under names that tell nothing.

    An image's id comes from the SOP instance UID, so that it stays in the next snapshot; its file's
    name from the bytes, so that two files with one UID do not overwrite each other. Nothing is
    written, and nothing returned, for a patient who withdrew.
    """
    crops = {device: tuple(crop) for device, crop in settings["crops"].items()}
    written = pseudonyms.of("file", sha256)
    try:
        clip = dicom.read(file.read_bytes(), settings["frames"], crops)
    except dicom.Refused as refused:
        return [Brought("", image=f"dicom-{written}", refused=f"{refused.reason}: {refused.detail}")]
    patient = pseudonyms.of("patient", clip.patient)
    if any(withdrawals.hold(name) for name in (clip.patient.partition("\n")[0], patient)):
        return []
    image = pseudonyms.of("image", clip.instance)
    several = settings["frames"] == "all"
    brought = []
    for frame in clip.frames:
        suffix = f"_{frame.number:04d}" if several else ""
        name = f"{written}{suffix}.png"
        write_png(frame.image, images / name)
        left, top, right, bottom = frame.region
        brought.append(
            Brought(
                name,
                hashlib.sha256((images / name).read_bytes()).hexdigest(),
                right - left,
                bottom - top,
                image=f"{image}{suffix}",
                patient=patient,
                scanner=clip.scanner,
                mm_per_px=clip.mm_per_px,
                full=clip.size,
                offset=(left, top),
                alone=len(clip.frames) == 1,
            )
        )
    return brought
