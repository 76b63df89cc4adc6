"""What a snapshot lists: one entry per image or per row, with its boxes."""

from dataclasses import dataclass, field
from pathlib import Path

ENDINGS = {".png", ".jpg", ".jpeg"}


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
    source_image: str = ""
    boxes: list[Box] = field(default_factory=list)


def images_below(folder: Path) -> list[Path]:
    """List the image files in `folder` and below, sorted, without hidden files."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS and path.is_file() and not path.name.startswith(".")
    )
