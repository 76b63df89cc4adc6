"""Bring one file of a snapshot in: as it is, or, if it is DICOM, as de-identified PNGs."""

import functools
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import TypeAdapter

from sonotrace.images import grey
from sonotrace.images.grey import encode_png, header_size
from sonotrace.intake import dicom
from sonotrace.patients import pseudonyms
from sonotrace.patients.pseudonyms import Pseudonyms
from sonotrace.patients.withdrawals import Withdrawals
from sonotrace.running.item_cache import ItemCache, link
from sonotrace.running.outputs import copy_into


@dataclass(frozen=True)
class SourceFile:
    """A file of the snapshot."""

    path: Path
    name: str
    """Its path below the snapshot's folder."""
    sha256: str
    is_dicom: bool


@dataclass(frozen=True)
class DicomSettings:
    """How DICOM files are read (`dicom.read`); the defaults are for sources that have no parameters for it."""

    frames: Literal["middle", "all"] | int = "middle"
    crops: tuple[tuple[str, dicom.Region], ...] = ()

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Self:
        """Take them from the section `dicom` of params.yaml."""
        return cls(params["frames"], tuple((device, tuple(crop)) for device, crop in sorted(params["crops"].items())))


@dataclass(frozen=True)
class Arrival:
    """An image in its place below `images`, or a DICOM file that was refused."""

    file: str
    """Its path below `images`; empty if it was refused."""
    sha256: str = ""
    width: int = 0
    height: int = 0
    image: str = ""
    """Its id; empty if that is the file's own name, which may not be used for DICOM."""
    patient: str = ""
    scanner: str = ""
    mm_per_px: tuple[float, float] | None = None
    full: tuple[int, int] | None = None
    """Width and height in px of the frame that it was cut out of."""
    offset: tuple[int, int] = (0, 0)
    """Its upper left corner in that frame, px."""
    is_only: bool = True
    """Whether it is the only image of its file."""
    refused: str = ""
    """Why it was refused, as `reason: detail`."""


@dataclass(frozen=True)
class FrameRecord:
    """What the cache keeps of one frame of a DICOM file."""

    file: str
    image: str
    region: dicom.Region


@dataclass(frozen=True)
class DicomRecord:
    """What the cache keeps of a DICOM file: everything pull needs but the pixels.

    It names the patient and the image by keyed hashes only.
    """

    image: str
    """Its id if it was refused."""
    refused: str = ""
    withdrawal_hashes: tuple[str, ...] = ()
    """What `withdrawals` may know the patient by."""
    patient: str = ""
    scanner: str = ""
    mm_per_px: tuple[float, float] | None = None
    size: tuple[int, int] = (0, 0)
    """Width and height of a full frame, px."""
    frames: tuple[FrameRecord, ...] = ()


_RECORDS = TypeAdapter(DicomRecord)


def open_cache(settings: DicomSettings, key: Pseudonyms | None, top: Path | None = None) -> ItemCache:
    """Open what earlier runs learned of files, with the same settings and the same patient key."""
    parameters = [json.dumps(asdict(settings)), key.check_value() if key else ""]
    return ItemCache("pull", [dicom, grey, pseudonyms, sys.modules[__name__]], parameters, top)


@dataclass(frozen=True)
class Importer:
    """Brings the files of one snapshot into the folder `into`; threads may share it."""

    into: Path
    dicom: DicomSettings
    key: Pseudonyms | None
    """The patient key; None where there are no DICOM files."""
    withdrawals: Withdrawals
    cache: ItemCache
    move: bool
    """Whether plain images are moved, rather than copied or linked."""

    def bring(self, file: SourceFile) -> list[Arrival]:
        """Bring one file in; there is nothing to return for a patient who withdrew."""
        if file.is_dicom and self.key:
            return self._bring_dicom(file, self.key)
        return [self._bring_plain(file)]

    def _bring_plain(self, file: SourceFile) -> Arrival:
        """Move the file, or else copy it; where DVC's `cache.type` names hard links, link it."""
        target = self.into / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.move:
            shutil.move(file.path, target)
        elif not (self.cache.links and link(file.path.resolve() if file.path.is_symlink() else file.path, target)):
            copy_into(target, file.path)
        size = self.cache.text(f"size {file.sha256}", lambda: json.dumps(header_size(target) or (0, 0)))
        width, height = json.loads(size)
        return Arrival(file.name, file.sha256, width, height)

    def _bring_dicom(self, file: SourceFile, key: Pseudonyms) -> list[Arrival]:
        """Write the chosen frames as PNGs whose names tell nothing.

        An image's id comes from the SOP instance UID, so that it stays the same in the next snapshot;
        the name of its file comes from the bytes, so that two files with one UID do not overwrite each other.
        """

        @functools.cache
        def clip() -> dicom.Clip:
            return dicom.read(file.path.read_bytes(), self.dicom.frames, dict(self.dicom.crops))

        def make() -> str:
            return _RECORDS.dump_json(_record(clip, file.sha256, self.dicom.frames == "all", key)).decode()

        record = _RECORDS.validate_json(self.cache.text(f"dicom {file.sha256}", make))
        if any(self.withdrawals.hold_hash(hashed) for hashed in record.withdrawal_hashes):
            return []
        if record.refused:
            return [Arrival("", image=record.image, refused=record.refused)]
        arrivals = []
        for at, frame in enumerate(record.frames):
            target = self.into / frame.file
            self.cache.file(f"png {at} {file.sha256}", target, functools.partial(_png, clip, at))
            arrivals.append(_arrival(record, frame, hashlib.sha256(target.read_bytes()).hexdigest()))
        return arrivals


def _record(clip: Callable[[], dicom.Clip], sha256: str, has_several: bool, key: Pseudonyms) -> DicomRecord:
    name = key.of("file", sha256)
    try:
        read = clip()
    except dicom.Refused as refused:
        return DicomRecord(image=f"dicom-{name}", refused=f"{refused.reason}: {refused.detail}")
    patient, image = key.of("patient", read.patient), key.of("image", read.instance)
    frames = []
    for frame in read.frames:
        suffix = f"_{frame.number:04d}" if has_several else ""
        frames.append(FrameRecord(f"{name}{suffix}.png", f"{image}{suffix}", frame.region))
    return DicomRecord(
        image,
        withdrawal_hashes=tuple(key.of("withdrawn", known) for known in (read.patient.partition("\n")[0], patient)),
        patient=patient,
        scanner=read.scanner,
        mm_per_px=read.mm_per_px,
        size=read.size,
        frames=tuple(frames),
    )


def _arrival(record: DicomRecord, frame: FrameRecord, sha256: str) -> Arrival:
    left, top, right, bottom = frame.region
    return Arrival(
        frame.file,
        sha256,
        right - left,
        bottom - top,
        image=frame.image,
        patient=record.patient,
        scanner=record.scanner,
        mm_per_px=record.mm_per_px,
        full=record.size,
        offset=(left, top),
        is_only=len(record.frames) == 1,
    )


def _png(clip: Callable[[], dicom.Clip], at: int) -> bytes:
    return encode_png(clip().frames[at].image)
