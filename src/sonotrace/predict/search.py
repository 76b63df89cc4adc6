"""How images are looked at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Frames = Literal["middle", "all"] | int
"""Which frames of a DICOM clip: the one in the middle, all, or one number from 1."""
Region = tuple[int, int, int, int]
"""Left, top, right, bottom in px of the full frame; right and bottom lie outside."""
Crops = Mapping[str, Region]
"""DICOM device by make and model -> what to look at of its frames."""


@dataclass(frozen=True)
class Search:
    """How images are looked at."""

    confidence: float | None = None
    """Least confidence of a box; None: the detector's own."""
    in_all_planes: bool = False
    """Whether structures are also looked for in images whose plane is not the one that shows them."""
    all_boxes: bool = False
    """Whether boxes beyond the number of a structure that a head has stay."""
    frames: Frames = "middle"
    """Of DICOM clips."""
    crops: Callable[[], Crops] = dict
    """Asked for the first DICOM file."""


def crops_of(repository: Path) -> Callable[[], Crops]:
    """Return what reads the crops that a checkout brings its own DICOM files in with; none outside a checkout."""

    @cache
    def read() -> Crops:
        from sonotrace.params import PATH, load

        if not (repository / PATH).is_file():
            return {}
        found: dict[str, Region] = {}
        for pulled in load(repository / PATH).pull.values():
            found |= {device: tuple(crop) for device, crop in pulled.incoming.dicom.crops.items()}  # type: ignore[misc]
        return found

    return read
