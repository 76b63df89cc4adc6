"""Packs: the images of one patient in one file, so that DVC has a file per patient to look after, not one per image.

A pack is an uncompressed ZIP file of PNGs, `<image>.png` or `<image>/<copy number>.png`. Any unzip program opens it;
`stored_in` finds an image in a folder of packs. The name of a pack is a hash of the patient.
"""

import hashlib
import io
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile, ZipInfo

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import Grey, damage, decode_grey

PACK, IMAGE = ".zip", ".png"
_LOCAL_HEADER = 30
"""Bytes of a member's header in a ZIP file before its name (APPNOTE 6.3.10, 4.3.7)."""


class Part(NamedTuple):
    """Where an image is stored: a file, or the part of a pack with this name, place and CRC-32."""

    file: Path
    name: str = ""
    start: int = 0
    size: int = 0
    crc: int = 0

    def __str__(self) -> str:
        """Name it in messages."""
        return f"{self.file}, {self.name}" if self.name else str(self.file)

    def content(self) -> bytes:
        """Return the bytes of the image file; raises SonotraceError where they are missing or damaged."""
        try:
            if not self.name:
                return self.file.read_bytes()
            with open(self.file, "rb", buffering=0) as stream:  # noqa: PTH123 - half the time, and done for each image
                found = os.pread(stream.fileno(), self.size, self.start)
        except OSError as error:
            raise SonotraceError(f"{self}: cannot be read ({error.strerror}); run `dvc repro`") from None
        if len(found) < self.size or zlib.crc32(found) != self.crc:
            raise SonotraceError(f"{self}: damaged; remove the file and run `dvc repro`")
        return found

    def read(self) -> Grey:
        """Read the image, shape (height, width); raises SonotraceError where that cannot be done."""
        content = self.content()
        image = decode_grey(content)
        if image is None:
            raise SonotraceError(f"{self}: {damage(content)}; remove the file and run `dvc repro`")
        return image


class Stored(dict[str, Part]):
    """Image, or `<image>/<copy number>` -> where it is stored."""

    def __init__(self, folder: Path, parts: Iterable[tuple[str, Part]] = ()) -> None:
        """Note what is stored in a folder."""
        super().__init__(parts)
        self._folder = folder

    def __missing__(self, image: str) -> Part:
        """Raise SonotraceError for an image that is not there."""
        raise SonotraceError(f"{self._folder}: no image {image}; run `dvc repro` to make it")


def stored_in(folder: Path) -> Stored:
    """Return image (or `<image>/<copy number>`) -> where it is, of all packs in a folder.

    Reads only the list at the end of each pack. Raises SonotraceError where a pack is damaged; an image that is
    missing raises it when it is asked for.

        >>> from pathlib import Path
        >>> prepared = stored_in(Path("data/planes/prepare/images"))  # doctest: +SKIP
        >>> prepared["001_1"].read().shape  # doctest: +SKIP
        (128, 192)
    """
    return Stored(folder, (found for file in sorted(folder.glob(f"*{PACK}")) for found in _parts(file)))


def _parts(file: Path) -> Iterator[tuple[str, Part]]:
    try:
        with ZipFile(file) as opened:
            members = opened.infolist()
    except (BadZipFile, OSError, struct.error):
        raise SonotraceError(f"{file}: damaged; remove the file and run `dvc repro`") from None
    for member in members:
        start = member.header_offset + _LOCAL_HEADER + len(member.filename.encode())
        yield (
            member.filename.removesuffix(IMAGE),
            Part(file, member.filename, start, member.file_size, member.CRC),
        )


def pack(images: Sequence[tuple[str, bytes]]) -> bytes:
    """Return a pack of image (or `<image>/<copy number>`) and PNG each; the same images give the same bytes."""
    file = io.BytesIO()
    with ZipFile(file, "w") as made:
        for image, content in images:
            made.writestr(ZipInfo(image + IMAGE), content)  # of 1980-01-01, as no date is given
    return file.getvalue()


def pack_name(patient: str, image: str) -> str:
    """Return the file name of a patient's pack; where the patient is unknown, that of the image, which has its own."""
    of = f"patient {patient}" if patient else f"image {image}"
    return hashlib.sha256(of.encode()).hexdigest()[:16] + PACK


def copy_name(image: str, copy: int) -> str:
    """Return the id of an augmented copy, counted from 1; no image can be called that."""
    return f"{image}/{copy}"
