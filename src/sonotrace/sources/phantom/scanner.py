"""Make-believe scanners: what `scanners.yaml` says, and the geometry of a convex probe.

Needs `scanners.yaml`; leaves `Scanner` records and cached resampling tables between three grids:

- canvas: anatomy is drawn here, `CANVAS_HEIGHT` px high, with the aspect of the image;
- beams: depth samples (rows) by scan lines (columns), where echoes are computed;
- image: the picture as the machine would store it.

Lengths in `scanners.yaml` are image heights, so one sector serves all sizes of a machine.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import yaml

from sonotrace.errors import SonotraceError
from sonotrace.sources.phantom.elementary import Floats, arctan2, length, sin_cos

CANVAS_HEIGHT = 448
DEPTH_SAMPLES = 512
SCAN_LINES = 352
CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
SIDES = ("left", "right")
# Read-outs that text lines may show, with a typical value each.
READINGS = {"depth": 12.5, "rate": 24, "mi": 0.9, "tib": 0.3, "gain": -4, "power": 98}


@dataclass(frozen=True)
class Sector:
    """Field of view of a convex probe.

    `apex_x` is a fraction of the image width; `apex_y`, `near` and `far` (distances from the apex)
    are image heights; `opening` is the full angle in degrees.
    """

    apex_x: float
    apex_y: float
    opening: float
    near: float
    far: float

    @property
    def half(self) -> float:
        """Angle between the middle of the field of view and its edge, in radians."""
        return self.opening * math.pi / 360

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the part within the frame: x in image widths, y in image heights."""
        top = max(self.apex_y + self.near, 0.0)
        bottom = min(self.apex_y + self.far, 1.0)
        return self.apex_x, (top + bottom) / 2

    def holds(self, points: Floats, aspect: float) -> bool:
        """Whether all points ((n, 2), image heights, x to the right) are in frame and sector."""
        x, y = points[:, 0], points[:, 1]
        if x.min() < 0 or y.min() < 0 or x.max() > aspect or y.max() > 1:
            return False
        across, along = x - self.apex_x * aspect, y - self.apex_y
        depth = length(across, along)
        _, edge = sin_cos(self.half)
        return bool((along > depth * edge).all() and depth.min() > self.near and depth.max() < self.far)


@dataclass(frozen=True)
class Scanner:
    """One machine: what it stores, how it sees, and what it writes over the picture."""

    name: str
    share: float
    sizes: tuple[tuple[int, int], ...]
    sectors: tuple[Sector, ...]
    gain: float
    dynamic_range: float
    grain_axial: float
    grain_lateral: float
    text_corner: str
    text_lines: tuple[str, ...]
    ruler: str


@dataclass(frozen=True)
class Tables:
    """Resampling tables of one sector at one size, in OpenCV's fixed-point form.

    `to_beams` samples a canvas into (DEPTH_SAMPLES, SCAN_LINES), `to_image` samples beams into
    (height, width). `visible` is a bool mask of the beam samples that land in the frame.
    """

    to_beams: tuple[npt.NDArray[Any], npt.NDArray[Any]]
    to_image: tuple[npt.NDArray[Any], npt.NDArray[Any]]
    visible: npt.NDArray[np.bool_]


def canvas_size(width: int, height: int) -> tuple[int, int]:
    """Width and height in px of the canvas for an image of `width` by `height` px."""
    return round(CANVAS_HEIGHT * width / height), CANVAS_HEIGHT


@lru_cache(maxsize=24)
def tables(sector: Sector, width: int, height: int) -> Tables:
    """Resampling tables for a sector in an image of `width` by `height` px (cached, about 5 MB)."""
    canvas_width, _ = canvas_size(width, height)
    depth = np.linspace(sector.near, sector.far, DEPTH_SAMPLES, dtype=np.float32)[:, None]
    sine, cosine = (
        part.astype(np.float32)[None, :] for part in sin_cos(np.linspace(-sector.half, sector.half, SCAN_LINES))
    )
    x = sector.apex_x * canvas_width + depth * sine * CANVAS_HEIGHT
    y = (sector.apex_y + depth * cosine) * CANVAS_HEIGHT
    visible = (x >= 0) & (x < canvas_width) & (y >= 0) & (y < CANVAS_HEIGHT)

    across = (np.arange(width, dtype=np.float32)[None, :] - sector.apex_x * width) / height
    along = np.arange(height, dtype=np.float32)[:, None] / height - np.float32(sector.apex_y)
    line = (arctan2(across, along) / sector.half + 1) / 2 * (SCAN_LINES - 1)
    sample = (length(across, along) - sector.near) / (sector.far - sector.near)
    sample *= DEPTH_SAMPLES - 1
    return Tables(
        to_beams=_fixed_point(x, y),
        to_image=_fixed_point(np.clip(line, -3, SCAN_LINES + 2), np.clip(sample, -3, DEPTH_SAMPLES + 2)),
        visible=visible,
    )


def load_scanners(path: Path) -> tuple[Scanner, ...]:
    """Read and check `scanners.yaml`.

    Raises `SonotraceError` naming the file and the key when one is missing or cannot be used.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        message = f"{path}: cannot be read ({error}); restore the file from the repository"
        raise SonotraceError(" ".join(message.split())) from error
    entries = _Section(path, "", document).list("scanners")
    return tuple(_scanner(_Section(path, f"scanners[{index}].", entry)) for index, entry in enumerate(entries))


class _Section:
    """A mapping of the file that names its file and key when something is wrong."""

    def __init__(self, path: Path, prefix: str, values: object) -> None:
        self.path, self.prefix = path, prefix
        if not isinstance(values, Mapping):
            raise self.error("", "must be a mapping")
        self.values = values

    def error(self, key: str, what: str) -> SonotraceError:
        where = f"{self.prefix}{key}".rstrip(".") or "the document"
        return SonotraceError(f"{self.path}: {where} {what}")

    def get(self, key: str) -> Any:
        if key not in self.values:
            raise self.error(key, "is missing; add it as the other scanners have it")
        return self.values[key]

    def section(self, key: str) -> "_Section":
        return _Section(self.path, f"{self.prefix}{key}.", self.get(key))

    def list(self, key: str) -> list[Any]:
        values = self.get(key)
        if not isinstance(values, list) or not values:
            raise self.error(key, f"must be a list with at least one entry, not {values!r}")
        return values

    def positive(self, key: str) -> float:
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise self.error(key, f"must be a number above 0, not {value!r}")
        return float(value)

    def pair(self, key: str) -> tuple[float, float]:
        values = self.get(key)
        if not isinstance(values, list) or [type(v) in (int, float) for v in values] != [True] * 2:
            raise self.error(key, f"must be two numbers, not {values!r}")
        return float(values[0]), float(values[1])

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.get(key)
        if value not in allowed:
            raise self.error(key, f"must be one of {', '.join(allowed)}, not {value!r}")
        return str(value)


def _scanner(section: _Section) -> Scanner:
    grain, text = section.section("grain"), section.section("text")
    return Scanner(
        name=str(section.get("name")),
        share=section.positive("share"),
        sizes=_sizes(section),
        sectors=tuple(
            _sector(_Section(section.path, f"{section.prefix}sectors[{index}].", entry))
            for index, entry in enumerate(section.list("sectors"))
        ),
        gain=section.positive("gain"),
        dynamic_range=section.positive("dynamic_range"),
        grain_axial=grain.positive("axial"),
        grain_lateral=grain.positive("lateral"),
        text_corner=text.choice("corner", CORNERS),
        text_lines=_text_lines(text),
        ruler=section.choice("ruler", SIDES),
    )


def _sizes(section: _Section) -> tuple[tuple[int, int], ...]:
    sizes = section.list("sizes")
    for size in sizes:
        if not isinstance(size, list) or [type(v) is int and v >= 64 for v in size] != [True] * 2:
            raise section.error("sizes", f"must hold [width, height], 64 px or more, not {size!r}")
    return tuple((width, height) for width, height in sizes)


def _sector(section: _Section) -> Sector:
    apex_x, apex_y = section.pair("apex")
    near, far = section.pair("depth")
    if not 0 < near < far:
        raise section.error("depth", f"must be [near, far] with 0 < near < far, not {near}, {far}")
    if not 0 <= apex_x <= 1 or not -far < apex_y < 1 - near:
        raise section.error("apex", f"must let the beam enter the frame, not {apex_x}, {apex_y}")
    return Sector(apex_x, apex_y, section.positive("opening"), near, far)


def _text_lines(section: _Section) -> tuple[str, ...]:
    lines = tuple(str(line) for line in section.list("lines"))
    try:
        for line in lines:
            line.format(**READINGS)
    except (KeyError, IndexError, ValueError) as error:
        what = f"may only show {', '.join(READINGS)} in braces (found {error})"
        raise section.error("lines", what) from error
    return lines


def _fixed_point(x: Floats, y: Floats) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    coordinates = np.dstack((x, y)).astype(np.float32)
    return cv2.convertMaps(coordinates, np.empty(0, np.float32), cv2.CV_16SC2)
