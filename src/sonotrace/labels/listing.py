"""What a snapshot lists: one entry per image or row of labels, with its boxes."""

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path, PurePath

ENDINGS = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp"}
"""Images that can be read."""
OTHER_ENDINGS = {".webp", ".gif", ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".pgm", ".ppm", ".pnm"}
"""Images that cannot; they are listed, so that validate sets them apart with a reason."""
DICOM_ENDINGS = {".dcm", ".dicom"}
_IMAGE_ENDINGS = ENDINGS | OTHER_ENDINGS
_SIDES = {"train": "train", "training": "train", "valid": "val", "val": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Box:
    """A box as the snapshot states it, in shares of the image's width and height.

    (0, 0) is the upper left corner, (1, 1) the lower right; NaN where it cannot be read.
    """

    structure: str
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Listed:
    """A row, an image, or both; the fields are those of the image table (`manifest`)."""

    image: str
    file: Path | None
    label: str = ""
    labelled_by: str = ""
    official_split: str = ""
    scanner: str = ""
    site: str = ""
    source_image: str = ""
    patient: str = ""
    """As the labels state it; empty where only the image id can tell."""
    boxes: list[Box] = field(default_factory=list)
    refused: str = ""
    """Why its labels cannot be used, as `reason: detail`; such an entry has no boxes."""


@dataclass(frozen=True)
class Listing:
    """What a snapshot lists, and where that is written."""

    entries: list[Listed]
    label_files: frozenset[Path]
    """Label tables, label files and what describes them."""
    notes: tuple[str, ...] = ()
    """What a person should know, without file names."""


def images_below(folder: Path) -> list[Path]:
    """List the image and DICOM files in `folder` and below, sorted, without hidden files.

    Files are told by their ending, in upper or lower case, and DICOM also by its mark.
    """
    return sorted(path for path in folder.rglob("*") if is_image(path))


def is_image(path: Path) -> bool:
    """Tell whether a file, unless hidden, is an image or DICOM, by its ending or its mark."""
    return (
        not path.name.startswith(".") and path.is_file() and (path.suffix.lower() in _IMAGE_ENDINGS or is_dicom(path))
    )


def is_dicom(path: Path) -> bool:
    """Tell whether a file is meant to be DICOM, by its ending or by its `DICM` mark.

    The mark is in bytes 128 to 131 (PS3.10, 7.1). It is looked for in files without an ending, and also in
    those named like other images, since such a DICOM file would otherwise come in with all it says.
    Scanners also name files by UID, so digits after the last dot are no ending. DICOMDIR is the index
    of a DICOM medium, no image.
    """
    ending = path.suffix.lower()
    if ending in DICOM_ENDINGS:
        return True
    if (ending not in _IMAGE_ENDINGS and ending.strip(".0123456789")) or path.name == "DICOMDIR":
        return False
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def image_id(name: str) -> str:
    """Return the name of an image file without its ending, if images have such an ending.

    It is in Unicode form NFC, since macOS writes names in NFD that look the same.
    """
    name = unicodedata.normalize("NFC", name)
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in _IMAGE_ENDINGS | DICOM_ENDINGS else name


def side_of(path: PurePath) -> str:
    """Return `train`, `val` or `test` as the nearest folder above `path` says, else nothing."""
    return next(filter(None, map(side_called, reversed(path.parts[:-1]))), "")


def side_called(word: str) -> str:
    """Return `train`, `val` or `test` for a word that means one of them, in any case; nothing for other words."""
    return _SIDES.get(word.lower(), "")


def source_of(stem: str) -> str:
    """Return SOURCE of a name `SOURCE.rf.HASH`, Roboflow's copy of SOURCE, and nothing for other names."""
    source, mark, _ = stem.rpartition(".rf.")
    return source if mark else ""
