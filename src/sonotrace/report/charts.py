"""Charts as inline SVG: no script, colours by the page's style, and the same bytes from the same numbers.

Lines differ by dashes too, so that they can be told apart without colour and in print.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 360, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 40
_BAR, _BAR_HEIGHT = 168, 18
_ROUND = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10)
MOST_POINTS = 400
"""Of a line: beyond that, points are left out evenly."""


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    name: str
    points: Points


def interval(value: float | None, low: float | None, high: float | None, most: float = 1.0) -> Markup:
    """Draw a value as a dot and its interval as a bar, from 0 to `most`; the table beside it has the numbers."""
    if value is None or most <= 0:
        return Markup("")

    def at(position: float) -> str:
        return f"{4 + (_BAR - 8) * min(max(position / most, 0), 1):.1f}"

    middle = _BAR_HEIGHT / 2
    parts = [f'<line class="track" x1="4" x2="{_BAR - 4}" y1="{middle:g}" y2="{middle:g}"/>']
    if low is not None and high is not None:
        parts.append(f'<line class="range" x1="{at(low)}" x2="{at(high)}" y1="{middle:g}" y2="{middle:g}"/>')
    parts.append(f'<circle class="dot" cx="{at(value)}" cy="{middle:g}" r="4"/>')
    return Markup(_svg(parts, _BAR, _BAR_HEIGHT, "interval"))  # noqa: S704 - numbers only


def shares(counts: Sequence[int], most: int) -> Markup:
    """Draw counts as pieces of one bar, on a scale from 0 to `most`; the table beside it has the numbers."""
    parts, left = [], 0.0
    for at, count in enumerate(counts):
        width = _BAR * count / max(most, 1)
        parts.append(f'<rect class="s{at}" x="{left:.1f}" y="3" width="{width:.1f}" height="12"/>')
        left += width
    return Markup(_svg(parts, _BAR, _BAR_HEIGHT, "interval"))  # noqa: S704 - numbers only


def lines(
    title: str,
    drawn: Sequence[Line],
    x_label: str,
    y_label: str,
    x_range: tuple[float, float] = (0, 1),
    y_range: tuple[float, float] = (0, 1),
    diagonal: bool = False,
    dots: Sequence[int] = (),
    whole: bool = False,
) -> Markup:
    """Draw lines on common axes; `dots` gives, for a single line, the weight of each of its points.

    With `whole`, the axis to the right counts in whole numbers.

    The text alternative gives the first and last value of each line.
    """
    x_range, y_range = _wide(x_range), _wide(y_range)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_range[0]) / (x_range[1] - x_range[0])
        up = (y - y_range[0]) / (y_range[1] - y_range[0])
        return (
            round(_LEFT + across * (_WIDTH - _LEFT - _RIGHT), 1),
            round(_HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM), 1),
        )

    parts = list(_axes(x_range, y_range, x_label, y_label, whole))
    if diagonal:
        (x0, y0), (x1, y1) = place(0, 0), place(1, 1)
        parts.append(f'<line class="guide" x1="{x0:g}" y1="{y0:g}" x2="{x1:g}" y2="{y1:g}"/>')
    for at, line in enumerate(drawn):
        path = " ".join(f"{x:g},{y:g}" for x, y in (place(*point) for point in _thinned(line.points)))
        parts.append(f'<polyline class="line l{at % 8}" points="{path}"/>')
    if dots and drawn:
        largest = max(dots)
        for point, weight in zip(drawn[0].points, dots, strict=True):
            x, y = place(*point)
            parts.append(f'<circle class="dot" cx="{x:g}" cy="{y:g}" r="{2 + 7 * (weight / largest) ** 0.5:.1f}"/>')
    said = "; ".join(_said(line) for line in drawn if line.points)
    return Markup(_svg(parts, _WIDTH, _HEIGHT, "chart", f"{title}. {x_label} and {y_label}. {said}"))  # noqa: S704


def _said(line: Line) -> str:
    (x0, y0), (x1, y1) = line.points[0], line.points[-1]
    name = f"{line.name}: " if line.name else ""
    return f"{name}from {y0:.3g} at {x0:.3g} to {y1:.3g} at {x1:.3g}"


def above(value: float) -> float:
    """Return the end of an axis for values up to `value`: not below it, and a quarter of it is a round number."""
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(round(step * power, 9) for step in _ROUND if step * power >= value * (1 - 1e-9))


def _wide(ends: tuple[float, float]) -> tuple[float, float]:
    return ends if ends[1] > ends[0] else (ends[0], ends[0] + 1)


def _thinned(points: Points) -> Points:
    if len(points) <= MOST_POINTS:
        return points
    step = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(at * step)] for at in range(MOST_POINTS)]


def _axes(
    x_range: tuple[float, float], y_range: tuple[float, float], x_label: str, y_label: str, whole: bool
) -> Iterator[str]:
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    for tick in _ticks(y_range):
        y = _HEIGHT - _BOTTOM - height * (tick - y_range[0]) / (y_range[1] - y_range[0])
        yield f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + width}" y1="{y:g}" y2="{y:g}"/>'
        yield _text(_LEFT - 6, y + 4, f"{tick:.3g}", "end")
    for tick in sorted({float(round(tick)) for tick in _ticks(x_range)}) if whole else _ticks(x_range):
        x = _LEFT + width * (tick - x_range[0]) / (x_range[1] - x_range[0])
        yield _text(x, _HEIGHT - _BOTTOM + 16, f"{tick:.3g}", "end" if tick == x_range[1] else "middle")
    yield _text(_LEFT + width / 2, _HEIGHT - 6, x_label, "middle")
    yield f'<g transform="translate(11 {_TOP + height / 2:g}) rotate(-90)">{_text(0, 0, y_label, "middle")}</g>'


def _ticks(ends: tuple[float, float]) -> list[float]:
    return [ends[0] + (ends[1] - ends[0]) * quarter / 4 for quarter in range(5)]


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], width: int, height: int, name: str, said: str = "") -> str:
    role = f'role="img" aria-label="{escape(said)}"' if said else 'aria-hidden="true"'
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg class="{name}" {size} {role}>{"".join(parts)}</svg>'
