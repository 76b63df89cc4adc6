"""Write a comparison as one self-contained page: no scripts, and no fonts or pictures from elsewhere."""

from dataclasses import dataclass
from pathlib import Path

from sonotrace.compare import words
from sonotrace.compare.comparison import Comparison

TEMPLATE = "page.html"
WIDTH, ROW, LABEL = 640, 22, 150
"""Size of the chart of intervals, px: its width, the height of a row, the width of the names."""


@dataclass(frozen=True)
class Bar:
    """One difference in a chart with its interval; positions in px."""

    name: str
    verdict: str
    y: int
    low: float
    high: float
    value: float


@dataclass(frozen=True)
class Chart:
    """Differences with their intervals on one scale, zero in the middle; positions in px."""

    width: int
    height: int
    middle: float
    left: float
    right: float
    most: str
    """The value at the right end of the scale; minus that at the left."""
    bars: list[Bar]


def page(comparison: Comparison) -> str:
    """Return the HTML of a comparison; the same comparison gives the same bytes."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    sections = words.sections(comparison)
    charts = {section.title: chart(section.intervals) for section in sections if section.intervals}
    return environment.get_template(TEMPLATE).render(
        heading=words.heading(comparison), sections=sections, charts=charts, notes=words.notes(comparison)
    )


def chart(intervals: list[words.Interval]) -> Chart:
    """Lay out differences with their intervals."""
    most = max(abs(value) for one in intervals for value in (one.low, one.high, one.value)) or 1.0
    middle = LABEL + (WIDTH - LABEL) / 2
    scale = (WIDTH - LABEL) / 2 / (most * 1.08)

    def at(value: float) -> float:
        return round(middle + value * scale, 1)

    bars = [
        Bar(one.name, one.verdict, ROW * number + ROW // 2, at(one.low), at(one.high), at(one.value))
        for number, one in enumerate(intervals)
    ]
    height = ROW * len(bars) + 24
    return Chart(WIDTH, height, round(middle, 1), at(-most), at(most), f"{most:.3f}", bars)
