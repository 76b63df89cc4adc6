"""The canvas of a phantom: how anatomy is put on it, and the shapes that anatomy is made of.

A part is drawn in body coordinates, where the body (or the head, or the femur) reaches from -1 to
1; a `Pose` puts it on the canvas, a `Scene` holds how the canvas answers to ultrasound.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from sonotrace.sources.phantom.elementary import Floats, exp, length, power, sin_cos

SUBPIXEL = 4
TURN = 2 * np.pi
_ROUND = np.linspace(0, TURN, 72, endpoint=False)
_SINES, _COSINES = zip(*(sin_cos(order * _ROUND) for order in range(5)), strict=True)
"""Of 0 to 4 times the angles of a closed outline's points."""


@dataclass(frozen=True)
class Body:
    """What the images of one fetus share.

    `size` scales its parts, `slim` their width against their length, `echo` the brightness of soft
    tissue, `ossified` that of bone; `fluid` is the amount of amniotic fluid around it.
    """

    size: float
    slim: float
    echo: float
    ossified: float
    fluid: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Body":
        """Draw a body at random."""
        return cls(
            size=rng.uniform(0.8, 1.2),
            slim=rng.uniform(0.93, 1.07),
            echo=rng.uniform(0.7, 1.4),
            ossified=rng.uniform(0.7, 1.3),
            fluid=rng.uniform(0, 1),
        )


@dataclass(frozen=True)
class Pose:
    """Where a body lies: centre and size in canvas px, turn in radians, mirrored or not."""

    x: float
    y: float
    size: float
    turn: float
    mirrored: bool

    def place(self, points: Floats) -> Floats:
        """Body coordinates to canvas px, both float32 (n, 2)."""
        sin, cos = (float(part) * self.size for part in sin_cos(self.turn))
        side = -1.0 if self.mirrored else 1.0
        x, y = points[:, 0], points[:, 1]
        return np.column_stack((x * cos - y * (sin * side) + self.x, x * sin + y * (cos * side) + self.y))


@dataclass(frozen=True)
class Mark:
    """A labelled structure: its outline (float32 (n, 2), px) and the half-width of its strokes."""

    structure: str
    outline: Floats
    margin: float


@dataclass
class Scene:
    """Three float32 layers of canvas shape, and the structures marked on them.

    `tissue`: amplitude of diffuse scatter (1: bright tissue); `surface`: amplitude of mirror-like
    reflectors; `loss`: attenuation in nepers per image height.
    """

    tissue: Floats
    surface: Floats
    loss: Floats
    mottle: Floats
    rng: np.random.Generator
    marks: list[Mark] = field(default_factory=list)

    @classmethod
    def blank(cls, width: int, height: int, body: Body, rng: np.random.Generator) -> "Scene":
        """Lay mottled tissue over a canvas of `width` by `height` px."""
        level = rng.uniform(0.06, 0.4) * body.echo
        mottle = _noise(rng, width, height, 9) + 0.8 * _noise(rng, width, height, 26)
        tissue = level * exp(0.4 * mottle + 0.5 * _noise(rng, width, height, 110))
        zeros = np.zeros((height, width), np.float32)
        return cls(tissue, zeros, zeros.copy(), mottle, rng)

    def fill(self, points: Floats, level: float, mottle: float = 0.25, soft: float = 1.0) -> None:
        """Replace the tissue inside a polygon (canvas px); its edge is `soft` px wide."""
        found = self._mask(points, soft, None)
        if found is None:
            return
        window, mask = found
        new = level * exp(mottle * self.mottle[window])
        self.tissue[window] += mask * (new - self.tissue[window])
        self.surface[window] *= 1 - mask
        self.loss[window] *= 1 - mask

    def stroke(self, points: Floats, width: float, level: float, loss: float = 0.0, *, closed: bool = False) -> None:
        """Draw a reflector `width` px wide along a line (canvas px) that costs `loss`."""
        found = self._mask(points, 0.25 * width, (width, closed))
        if found is None:
            return
        window, mask = found
        np.maximum(self.surface[window], mask * level, out=self.surface[window])
        np.maximum(self.loss[window], mask * loss, out=self.loss[window])

    def _mask(
        self, points: Floats, soft: float, line: tuple[float, bool] | None
    ) -> tuple[tuple[slice, slice], Floats] | None:
        """Coverage in [0, 1] of a polygon, or of a line (width, closed), within its window."""
        height, width = self.tissue.shape
        margin = 3 * soft + 2 + (line[0] if line else 0)
        x0, y0 = np.maximum(np.floor(points.min(axis=0) - margin), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(points.max(axis=0) + margin), [width, height]).astype(int)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return None
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        fixed = np.round((points - [x0, y0]) * 2**SUBPIXEL).astype(np.int32)
        if line is None:
            cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, SUBPIXEL)
        else:
            thickness = max(1, round(line[0]))
            cv2.polylines(mask, [fixed], line[1], 255, thickness, cv2.LINE_AA, SUBPIXEL)
        if soft > 0.3:
            kernel = 2 * round(1.7 * soft) + 1
            mask = cv2.stackBlur(mask, (kernel, kernel))
        return (slice(y0, y1), slice(x0, x1)), mask.astype(np.float32) / 255


def arc(centre: tuple[float, float], radii: tuple[float, float], start: float, end: float) -> Floats:
    """Points of an elliptic arc between two angles in radians, float32 (n, 2)."""
    angle = np.linspace(start, end, max(8, int(abs(end - start) * 14)))
    sine, cosine = sin_cos(angle)
    points = np.column_stack((cosine, sine)) * radii + centre
    return points.astype(np.float32)


def blob(
    rng: np.random.Generator,
    centre: tuple[float, float],
    radii: tuple[float, float],
    uneven: float,
    turn: float = 0.0,
) -> Floats:
    """Points of a turned ellipse whose radius varies by about `uneven`, float32 (n, 2)."""
    radius = np.ones_like(_ROUND)
    for order in (2, 3, 4):
        sin, cos = sin_cos(rng.uniform(0, TURN))
        wave = _COSINES[order] * cos - _SINES[order] * sin
        radius += uneven * rng.uniform(0.2, 1) / (order - 1) * wave
    x, y = radius * _COSINES[1] * radii[0], radius * _SINES[1] * radii[1]
    sin, cos = sin_cos(turn)
    points = np.column_stack((cos * x - sin * y, sin * x + cos * y)) + centre
    return points.astype(np.float32)


def bend(through: Sequence[tuple[float, float]]) -> Floats:
    """Points of a smooth line near the given ones and through both ends (Bezier), (25, 2)."""
    knots = np.asarray(through, np.float64)
    share = np.linspace(0, 1, 25)[:, None, None]
    curve = np.broadcast_to(knots, (25, *knots.shape))
    while curve.shape[1] > 1:
        curve = (1 - share) * curve[:, :-1] + share * curve[:, 1:]
    return curve[:, 0].astype(np.float32)


def ribbon(centre: Floats, half: npt.NDArray[np.float64]) -> Floats:
    """Outline of a line given by its points and, at each, half its width."""
    along = np.gradient(centre, axis=0)
    across = np.column_stack((-along[:, 1], along[:, 0]))
    across *= (half / length(*across.T))[:, None]
    return np.concatenate((centre + across, (centre - across)[::-1])).astype(np.float32)


def capsule(rng: np.random.Generator, half_length: float, girth: float) -> Floats:
    """Outline of a thigh: a rounded box along x, thicker at one end."""
    sine, cosine = _SINES[1], _COSINES[1]
    x = np.sign(cosine) * power(np.abs(cosine), 0.6) * half_length
    taper = 1 + rng.uniform(-0.25, 0.25) * x / half_length
    y = np.sign(sine) * np.sqrt(np.abs(sine)) * girth * taper
    return np.column_stack((x, y)).astype(np.float32)


def _noise(rng: np.random.Generator, width: int, height: int, grain: int) -> Floats:
    """Smooth unit-variance noise, float32 (height, width), with features of `grain` px."""
    coarse = rng.standard_normal((height // grain + 2, width // grain + 2), dtype=np.float32)
    smooth: Floats = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return smooth
