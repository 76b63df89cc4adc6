"""Draw the tables of an evaluation as SVG: pictures that any browser, forge or report shows without a script.

The same table gives the same bytes. `dvc plots show` draws from the tables themselves, with the templates
in `.dvc/plots`.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd

from sonotrace.scores.structures import MOST_FALSE

CURVES = {
    "roc": ("ROC, each class against the rest", "false_positive_rate", "true_positive_rate"),
    "pr": ("precision and recall", "recall", "precision"),
}
"""Title and columns of each table of points; lines are drawn per class, in the order of the rows."""

_COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#e45756", "#b279a2", "#72b7b2", "#9d755d", "#eeca3b")
_LEFT, _TOP, _SIDE, _CELL = 90, 50, 320, 72  # px
_LEAST_TOP = 0.01
"""Least error at the top of the axis: a model without errors has a flat line at the bottom."""


def draw(name: str, table: pd.DataFrame, data_set: str) -> str:
    """Return the picture of a table of `plots/<data set>`: of one of `CURVES`, or one with a function of its own."""
    if name == "confusion":
        return _confusion(table, f"{data_set}: actual and predicted classes of the test images")
    if name == "reliability":
        return _reliability(table, f"{data_set}: confidence and accuracy of the test images")
    if name == "risk_coverage":
        return _risk_coverage(table, f"{data_set}: errors among the most certain test images")
    if name == "free_response":
        return _free_response(table, f"{data_set}: structures found by false boxes an image")
    title, x, y = CURVES[name]
    return _curves(table, f"{data_set}: {title}", x, y)


def _confusion(table: pd.DataFrame, title: str) -> str:
    """Draw counts of (actual, predicted), a row of cells per actual class, shaded by the share of the row."""
    names = sorted({*table["actual"], *table["predicted"]})
    counts = pd.crosstab(table["actual"], table["predicted"]).reindex(index=names, columns=names, fill_value=0)
    side = _CELL * len(names)
    parts = []
    for row, name in enumerate(names):
        middle = _TOP + (row + 0.5) * _CELL
        parts.append(_text(_LEFT - 8, middle + 4, name, "end"))
        parts.append(_text(_LEFT + (row + 0.5) * _CELL, _TOP + side + 18, name))
        for column, count in enumerate(counts.loc[name]):
            share = count / max(int(counts.loc[name].sum()), 1)
            left = _LEFT + column * _CELL
            parts.append(
                f'<rect x="{left}" y="{_TOP + row * _CELL}" width="{_CELL}" height="{_CELL}" fill="#35608f" '
                f'fill-opacity="{share:.3f}" stroke="#ccc"/>'
            )
            parts.append(_text(left + _CELL / 2, middle + 4, str(count), colour="#fff" if share > 0.5 else "#000"))
    return _picture(parts, title, "predicted", "actual", side, side)


def _curves(table: pd.DataFrame, title: str, x: str, y: str) -> str:
    """Draw the points (class, x, y), both from 0 to 1, as one line per class."""
    parts = [*_axes(), *_by_class(table, x, y)]
    return _picture(parts, title, x.replace("_", " "), y.replace("_", " "), _SIDE, _SIDE)


def _free_response(table: pd.DataFrame, title: str) -> str:
    """Draw the share of the boxes found over the false ones an image, as one line per class."""
    shares = table.assign(false_boxes=table["false_boxes"] / MOST_FALSE)
    parts = [*_axes(right=MOST_FALSE), *_by_class(shares, "false_boxes", "recall")]
    return _picture(parts, title, "false boxes an image, of all structures", "share found", _SIDE, _SIDE)


def _by_class(table: pd.DataFrame, x: str, y: str) -> Iterator[str]:
    """Draw a line per class, and the key to them."""
    for index, (name, points) in enumerate(table.groupby("class", sort=True)):
        colour = _COLOURS[index % len(_COLOURS)]
        yield _line(_places(points[x], points[y]), colour)
        left, top = _LEFT + _SIDE + 16, _TOP + 20 * index
        yield f'<rect x="{left}" y="{top + 4}" width="12" height="4" fill="{colour}"/>'
        yield _text(left + 18, top + 10, str(name), "start")


def _reliability(table: pd.DataFrame, title: str) -> str:
    """Draw a dot per bin, its area by the number of images, over the diagonal of a calibrated model."""
    parts = [*_axes(), f'<path d="M{_LEFT} {_TOP + _SIDE}l{_SIDE} {-_SIDE}" stroke="#888" stroke-dasharray="4"/>']
    places = _places(table["mean_confidence"], table["accuracy"])
    parts.append(_line(places, _COLOURS[0]))
    largest = table["n"].max()
    for (right, down), count in zip(places, table["n"], strict=True):
        radius = 2 + 8 * (count / largest) ** 0.5
        parts.append(f'<circle cx="{right:g}" cy="{down:g}" r="{radius:.1f}" fill="{_COLOURS[0]}" fill-opacity="0.6"/>')
        parts.append(_text(right, down - radius - 4, str(count)))
    return _picture(parts, title, "mean confidence", "accuracy", _SIDE, _SIDE)


def _risk_coverage(table: pd.DataFrame, title: str) -> str:
    """Draw the error over the coverage, up to the largest error."""
    top = max(float(table["error"].max()), _LEAST_TOP)
    parts = [*_axes(top), _line(_places(table["coverage"], table["error"] / top), _COLOURS[0])]
    return _picture(parts, title, "coverage", "error", _SIDE, _SIDE)


def _axes(top: float = 1.0, right: float = 1.0) -> list[str]:
    """Return the frame, the grid and its figures: 0 to `right` to the right, 0 to `top` upwards."""
    parts = [f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#888"/>']
    for tick in np.linspace(0, 1, 5):
        at_x, at_y = _LEFT + tick * _SIDE, _TOP + (1 - tick) * _SIDE
        parts.append(f'<path d="M{at_x:g} {_TOP}v{_SIDE}M{_LEFT} {at_y:g}h{_SIDE}" stroke="#ddd"/>')
        parts.append(_text(at_x, _TOP + _SIDE + 18, f"{tick * right:.3g}"))
        parts.append(_text(_LEFT - 8, at_y + 4, f"{tick * top:.3g}", "end"))
    return parts


def _places(to_the_right: pd.Series, up: pd.Series) -> list[tuple[float, float]]:
    """Return where points are in the picture, px, both given as shares of the axes."""
    return [
        (round(_LEFT + _SIDE * float(right), 1), round(_TOP + _SIDE * (1 - float(high)), 1))
        for right, high in zip(to_the_right, up, strict=True)
    ]


def _line(places: Sequence[tuple[float, float]], colour: str) -> str:
    line = " ".join(f"{right:g},{down:g}" for right, down in _corners(places))
    return f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _corners(places: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Leave out the points inside an upright or level piece of a line, and repeated ones."""
    places = [place for place, _ in groupby(places)]
    for at, place in enumerate(places):
        around = places[max(at - 1, 0) : at + 2]
        inside = len(around) == 3 and any(len({point[axis] for point in around}) == 1 for axis in (0, 1))
        if not inside:
            yield place


def _picture(parts: Sequence[str], title: str, x_label: str, y_label: str, width: float, height: float) -> str:
    size = f'width="{_LEFT + width + 170}" height="{_TOP + height + 60}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{_LEFT}" y="28" font-size="14">{escape(title)}</text>',
        *parts,
        _text(_LEFT + width / 2, _TOP + height + 42, x_label),
        f'<g transform="translate(18 {_TOP + height / 2:g}) rotate(-90)">{_text(0, 0, y_label)}</g>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _text(x: float, y: float, text: str, anchor: str = "middle", colour: str = "#000") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
