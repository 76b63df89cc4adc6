"""Write a comparison as one page that needs nothing else: no script, no font, no picture from elsewhere."""

from pathlib import Path
from typing import Any

from sonotrace.compare import words

TEMPLATE = "page.html"
WIDTH, ROW, LABEL = 640, 22, 150
"""Size of the chart of intervals, px: width, height of a row, width of the names."""


def page(found: dict[str, Any]) -> str:
    """Return the page for what `comparison.compare` found; the same comparison gives the same bytes."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    sections = words.sections(found)
    charts = {section.title: chart(section.intervals) for section in sections if section.intervals}
    return environment.get_template(TEMPLATE).render(
        heading=words.heading(found), sections=sections, charts=charts, notes=words.notes(found)
    )


def chart(intervals: list[words.Interval]) -> dict[str, Any]:
    """Return where each difference and its interval come to stand, px, zero in the middle."""
    most = max(abs(value) for one in intervals for value in (one.low, one.high, one.value)) or 1.0
    middle = LABEL + (WIDTH - LABEL) / 2
    scale = (WIDTH - LABEL) / 2 / (most * 1.08)

    def at(value: float) -> float:
        return round(middle + value * scale, 1)

    rows = [
        {
            "name": one.name,
            "verdict": one.verdict,
            "y": ROW * number + ROW // 2,
            "low": at(one.low),
            "high": at(one.high),
            "value": at(one.value),
        }
        for number, one in enumerate(intervals)
    ]
    return {
        "width": WIDTH,
        "height": ROW * len(rows) + 24,
        "middle": round(middle, 1),
        "rows": rows,
        "most": f"{most:.3f}",
        "left": at(-most),
        "right": at(most),
    }
