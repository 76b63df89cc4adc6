"""From anatomy to picture: echoes along the beams, speckle, shadows, grey scale, and read-outs.

Scatterers with Gaussian amplitudes are blurred by the pulse and detected as an envelope, which
gives fully developed (Rayleigh) speckle (Wagner et al. 1983); reflectors are bright where the beam
meets them squarely; both are log-compressed and brought from the beams into the sector.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sonotrace.sources.phantom.elementary import Floats, exp, power
from sonotrace.sources.phantom.scanner import (
    DEPTH_SAMPLES,
    READINGS,
    SCAN_LINES,
    Scanner,
    Sector,
    Tables,
    tables,
)
from sonotrace.sources.phantom.scene import Scene

# uint8; OpenCV's stubs return arrays of an unstated number type.
Grey = npt.NDArray[Any]

TISSUE_LOSS = 1.6
AVERAGE_TISSUE = 0.2
TGC_SLIDERS = 8
BEAM_WIDTH = 2.5
DECIBEL = 8.685889638065037
"""20 / ln 10: what a neper is in dB."""


@dataclass(frozen=True)
class Exposure:
    """How one image is taken: on which sector and size, and how well.

    `grey` is the mean grey level aimed at (of 255), `dynamic_range` in dB, `gamma` the bend of the
    grey curve, `blur` a factor on the grain, `noise` the receiver's noise as an amplitude, `squint`
    how much reflectors lose to an oblique beam (0 to 1), `wall` the maternal layers in image
    heights, `compound` the smoothing of speckle in pulse sizes.
    """

    sector: Sector
    width: int
    height: int
    grey: float
    dynamic_range: float
    gamma: float
    blur: float
    noise: float
    squint: float
    wall: float
    compound: float

    @classmethod
    def draw(cls, scanner: Scanner, wall: float, rng: np.random.Generator) -> "Exposure":
        """Draw an exposure; one in seven is a poor one: dim, noisy and off-axis."""
        poor = rng.random() < 1 / 7
        width, height = scanner.sizes[rng.integers(len(scanner.sizes))]
        return cls(
            sector=scanner.sectors[rng.integers(len(scanner.sectors))],
            width=width,
            height=height,
            grey=scanner.gain * float(exp(np.array([rng.normal(0, 0.3)]))[0]) * (0.6 if poor else 1),
            dynamic_range=scanner.dynamic_range * rng.uniform(0.85, 1.2),
            gamma=rng.uniform(0.8, 1.5),
            blur=rng.uniform(0.8, 1.25) * (1.5 if poor else 1),
            noise=rng.uniform(0.002, 0.006) * (4 if poor else 1),
            squint=rng.uniform(0.8, 0.97) if poor else rng.uniform(0.45, 0.8),
            wall=wall * rng.uniform(0.7, 1.3),
            compound=rng.uniform(0.6, 1.4),
        )


def picture(scene: Scene, scanner: Scanner, exposure: Exposure, rng: np.random.Generator) -> Grey:
    """Take the picture: uint8 (height, width), black outside the sector."""
    table = tables(exposure.sector, exposure.width, exposure.height)
    layers = cv2.merge((scene.tissue, scene.surface, scene.loss))
    beams = cv2.remap(layers, *table.to_beams, cv2.INTER_LINEAR, borderValue=(AVERAGE_TISSUE, 0, 0))
    tissue, surface, loss = (np.ascontiguousarray(layer) for layer in cv2.split(beams))
    _lay_wall(tissue, surface, loss, exposure, rng)
    gain = _transmission(tissue, loss, exposure.sector) * _unevenness(rng)
    surface *= _squareness(surface, exposure)
    diffuse, mirror = tissue * gain + exposure.noise, surface * gain
    echo = _envelope(diffuse, mirror, _pulse(scanner, exposure), exposure.compound, rng)
    compressed = _compress(echo, table, exposure)
    image: Grey = cv2.remap(compressed, *table.to_image, cv2.INTER_LINEAR)
    _write_read_outs(image, scanner, rng)
    return image


def _lay_wall(tissue: Floats, surface: Floats, loss: Floats, exposure: Exposure, rng: np.random.Generator) -> None:
    """Cover the near field with the layered tissue of the maternal wall, in place."""
    sector = exposure.sector
    span = sector.far - sector.near
    undulation = _smooth(rng, (1, 5), (1, SCAN_LINES))
    edge = exposure.wall * (1 + 0.15 * undulation) / span * DEPTH_SAMPLES
    depth = np.arange(DEPTH_SAMPLES, dtype=np.float32)[:, None]
    cover = np.clip((edge - depth) / 12, 0, 1).astype(np.float32)
    rows = slice(0, min(DEPTH_SAMPLES, int(edge.max()) + 2))
    layers = _smooth(rng, (70, 7), (DEPTH_SAMPLES, SCAN_LINES))[rows]
    level = rng.uniform(0.12, 0.35)
    tissue[rows] += cover[rows] * (level * exp(0.9 * layers) - tissue[rows])
    surface[rows] *= 1 - cover[rows]
    loss[rows] *= 1 - cover[rows]


def _transmission(tissue: Floats, loss: Floats, sector: Sector) -> Floats:
    """Amplitude left at each sample after what lies in front of it.

    The machine makes up for average tissue, so that what lies behind fluid is enhanced.
    """
    step = (sector.far - sector.near) / DEPTH_SAMPLES
    decay = loss + TISSUE_LOSS * (np.minimum(tissue, 0.5) - AVERAGE_TISSUE)
    in_front: Floats = np.cumsum(decay, axis=0, dtype=np.float32) - decay
    spread = cv2.GaussianBlur(in_front, (0, 0), sigmaX=BEAM_WIDTH, sigmaY=0.5)
    return exp(-step * spread)


def _unevenness(rng: np.random.Generator) -> Floats:
    """Gain by depth (TGC sliders not quite in line) times gain by scan line (poor contact)."""
    sliders = _smooth(rng, (TGC_SLIDERS, 1), (DEPTH_SAMPLES, 1))
    contact = _smooth(rng, (1, 12), (1, SCAN_LINES))
    return exp(0.16 * sliders) * exp(0.16 * contact)


def _squareness(surface: Floats, exposure: Exposure) -> Floats:
    """Factor on reflectors: 1 where the beam meets them squarely, down to 1 - `squint` along it."""
    sector = exposure.sector
    along = (sector.far - sector.near) / DEPTH_SAMPLES
    middle = (sector.far + sector.near) / 2
    across = 2 * sector.half * middle / SCAN_LINES
    smooth = cv2.blur(surface, (5, 5))
    by_depth: Floats = cv2.Sobel(smooth, cv2.CV_32F, 0, 1) / along
    by_line: Floats = cv2.Sobel(smooth, cv2.CV_32F, 1, 0) / across
    square = cv2.blur(cv2.pow(by_depth, 2), (9, 9))
    oblique = cv2.blur(cv2.pow(by_line, 2), (9, 9))
    share: Floats = square / (square + oblique + 1e-6)
    return 1 - exposure.squint * (1 - share)


def _pulse(scanner: Scanner, exposure: Exposure) -> tuple[float, float]:
    """Size (sigma) of the pulse in depth samples and scan lines."""
    sector = exposure.sector
    axial = scanner.grain_axial / (sector.far - sector.near) * DEPTH_SAMPLES
    lateral = scanner.grain_lateral / sector.opening * SCAN_LINES
    return max(0.5, axial * exposure.blur), max(0.5, lateral * exposure.blur)


def _envelope(
    diffuse: Floats,
    mirror: Floats,
    pulse: tuple[float, float],
    compound: float,
    rng: np.random.Generator,
) -> Floats:
    """Detect the amplitude: speckle from diffuse scatter, plus what reflectors return.

    `compound` is the blur of the detected speckle in pulse sizes; it stands for the compounding
    and speckle reduction of a scanner.
    """
    axial, lateral = pulse
    restore = np.float32(np.sqrt(4 * np.pi * axial * lateral))
    quadratures = []
    for _ in range(2):
        scatter = rng.standard_normal(diffuse.shape, dtype=np.float32)
        scatter *= diffuse
        quadratures.append(cv2.GaussianBlur(scatter, (0, 0), sigmaX=lateral, sigmaY=axial))
    speckle: Floats = restore * cv2.magnitude(*quadratures)
    speckle = cv2.GaussianBlur(speckle, (0, 0), sigmaX=compound * lateral, sigmaY=compound * axial)
    uneven = exp(0.5 * _smooth(rng, (DEPTH_SAMPLES // 8, SCAN_LINES // 8), mirror.shape))
    glint = cv2.GaussianBlur(mirror * uneven, (0, 0), sigmaX=lateral, sigmaY=axial)
    echo: Floats = speckle + glint
    return echo


def _compress(echo: Floats, table: Tables, exposure: Exposure) -> Grey:
    """Log-compress an amplitude to uint8, with the gain that meets the mean grey aimed at."""
    scaled: Floats = cv2.log(np.maximum(echo, 1e-6)) * (DECIBEL / exposure.dynamic_range)
    seen = scaled[::7, ::5][table.visible[::7, ::5]]
    low, high = -1.0, 4.0
    for _ in range(12):
        offset = (low + high) / 2
        mean = 255 * float(np.mean(power(np.clip(seen + offset, 0, 1), exposure.gamma)))
        low, high = (offset, high) if mean < exposure.grey else (low, offset)
    grey = np.clip(scaled + np.float32(offset), 0, 1)
    shown: Grey = (255 * power(grey, exposure.gamma)).astype(np.uint8)
    return shown


def _smooth(rng: np.random.Generator, knots: tuple[int, int], shape: tuple[int, ...]) -> Floats:
    """Smooth unit-variance noise of `shape` (rows, columns) between `knots` random values."""
    coarse = rng.standard_normal(knots, dtype=np.float32)
    smooth: Floats = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return smooth


def _write_read_outs(image: Grey, scanner: Scanner, rng: np.random.Generator) -> None:
    """Write the read-outs in their corner and draw depth ruler and grey bar, in place."""
    height, width = image.shape
    readings = {name: type(typical)(round(typical * rng.uniform(0.6, 1.4), 1)) for name, typical in READINGS.items()}
    scale, line = height / 1500, height // 36
    vertical, side = scanner.text_corner.split("-")
    first = 2 * line if vertical == "top" else height - line * len(scanner.text_lines)
    for index, text in enumerate(scanner.text_lines):
        shown = text.format(**readings)
        (extent, _), _ = cv2.getTextSize(shown, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        x = width - extent - line if side == "right" else line
        place = (x, first + index * line)
        cv2.putText(image, shown, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 215, 1, cv2.LINE_AA)
    _draw_ruler(image if scanner.ruler == "left" else image[:, ::-1], rng)


def _draw_ruler(image: Grey, rng: np.random.Generator) -> None:
    """Draw the grey bar and the ticks of the depth ruler at the left edge, in place."""
    height, width = image.shape
    top, bar_width = height // 36, max(3, width // 160)
    bar = np.linspace(255, 0, height // 4).astype(np.uint8)
    image[top : top + len(bar), :bar_width] = bar[:, None]
    spacing = height / (8 * rng.uniform(0.8, 1.4))
    for tick in range(int(height / spacing)):
        row, length = int((tick + 0.5) * spacing), 7 if tick % 5 == 0 else 4
        image[row, bar_width + 3 : bar_width + 3 + length] = 190
