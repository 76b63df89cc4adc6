"""Where the images come from that `predict` is given: files, folders, zips, DICOM, and lists of paths."""

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from sonotrace.errors import SonotraceError
from sonotrace.images.grey import Grey, damage, decode_grey
from sonotrace.labels.listing import DICOM_ENDINGS, ENDINGS, OTHER_ENDINGS, images_below
from sonotrace.predict.search import Region, Search

MOST_BYTES = 2**30
"""Most bytes that a member of a zip may unpack to; it is read into memory."""
RATIO = 200
"""Most times its packed size that a member of over SMALL bytes may unpack to."""
SMALL = 10_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """One file that may hold images."""

    name: str
    """Its path; for a member of a zip, that of the zip, `/` and its own."""
    archive: zipfile.ZipFile | None = field(default=None, repr=False)
    member: str = ""
    problem: str = ""
    """Why there is nothing to read."""

    def read(self) -> bytes:
        """Return its bytes; raises SonotraceError where that fails."""
        if self.problem:
            raise SonotraceError(self.problem)
        if self.archive is None:
            try:
                return Path(self.name).read_bytes()
            except OSError as error:
                raise SonotraceError(f"{self.name}: cannot be read ({error.strerror}); check the path") from None
            except ValueError as error:  # such as a NUL
                raise SonotraceError(f"{self.name}: not a file name ({error}); check the path") from None
        info = self.archive.getinfo(self.member)
        if info.file_size > MOST_BYTES or info.file_size > max(SMALL, RATIO * info.compress_size):
            raise SonotraceError(f"{self.name}: unpacks to {info.file_size} bytes; unpack it yourself if you trust it")
        try:
            return self.archive.read(self.member)
        except Exception as error:  # noqa: BLE001 - zipfile raises many kinds for damaged or encrypted members
            raise SonotraceError(f"{self.name}: cannot be unpacked ({error}); get the zip again") from None


@dataclass(frozen=True)
class View:
    """An image to look at."""

    image: Grey
    frame: int | None = None
    """Its number in a DICOM file, from 1."""
    region: Region | None = None
    """Where it lies in the full frame of a DICOM file."""


def sources(paths: Iterable[Path]) -> Iterator[Source]:
    """Yield the files named, the images in and below folders, and those in zips, each sorted."""
    for path in paths:
        if path.is_dir():
            yield from (Source(str(image)) for image in images_below(path))
        elif path.suffix.lower() == ".zip" and path.is_file():
            yield from _members(path)
        else:
            yield Source(str(path))


def _members(path: Path) -> Iterator[Source]:
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # noqa: BLE001 - zipfile raises many kinds for damaged files
        yield Source(str(path), problem=f"{path}: cannot be opened as zip ({error}); get it again")
        return
    for info in sorted(archive.infolist(), key=lambda info: info.filename):
        parts = PurePath(info.filename).parts
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        if not info.filename.endswith("/") and not hidden and _is_image(archive, info):
            yield Source(f"{path}/{info.filename}", archive, info.filename)


def _is_image(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    ending = PurePath(info.filename).suffix.lower()
    if ending in ENDINGS | OTHER_ENDINGS | DICOM_ENDINGS:
        return True
    if ending.strip(".0123456789") or info.flag_bits & 1 or PurePath(info.filename).name == "DICOMDIR":
        return False
    try:
        with archive.open(info) as file:  # scanners name files by UID
            return file.read(132)[128:] == b"DICM"
    except Exception:  # noqa: BLE001 - zipfile raises many kinds; reading it will say what is wrong
        return True


def views(source: Source, content: bytes, search: Search) -> list[View]:
    """Return the images of a file, given its bytes.

    Raises SonotraceError, with the reason, where it has none that can be used.
    """
    if content[128:132] == b"DICM" or PurePath(source.name).suffix.lower() in DICOM_ENDINGS:
        from sonotrace.intake.dicom import Refused, read

        try:
            clip = read(content, search.frames, search.crops(), needs_patient=False)
        except Refused as refused:
            raise SonotraceError(f"{source.name}: {refused.reason}: {refused.detail}") from None
        return [View(frame.image, frame.number, frame.region) for frame in clip.frames]
    image = decode_grey(content)
    if image is None:
        raise SonotraceError(f"{source.name}: {damage(content)}; export the image again")
    return [View(image)]
