"""Write the page of results: one file that loads nothing, readable without scripts, on a phone and in print."""

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from sonotrace.models.published import origin
from sonotrace.report import LIMITS, charts, galleries, words
from sonotrace.report.charts import Line
from sonotrace.report.facts import Curves, DataSet, Facts, Points
from sonotrace.report.gathered import Count
from sonotrace.tables import NOT_STATED, SIDES

HERE = Path(__file__).parent
TRAININGS = {"train_cnn": "Trained on its own labels", "train_distilled": "Trained on what the nets of the folds say"}
"""Stage -> heading of its curves, where a data set has several."""


def page(facts: Facts) -> str:
    """Return the HTML of the facts; the same facts give the same bytes."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style, script = ((HERE / f"page.{ending}").read_text(encoding="utf-8") for ending in ("css", "js"))
    shown = galleries.pictures(facts.data_sets)
    environment.globals |= {
        "words": words,
        "charts": charts,
        "text": words.parameter,
        "slug": _slug,
        "file": facts.by_path.get,
    }
    return environment.get_template("page.html").render(
        facts=facts,
        style=Markup(style),  # noqa: S704 - ours
        script=Markup(script),  # noqa: S704 - ours
        style_hash=_hash(style),
        script_hash=_hash(script),
        pictures=[one for cases in shown.values() for one in cases if one.picture],
        failures={one.name: galleries.of_data_set(one, shown[one.name]) for one in facts.data_sets},
        filters={one.name: _filters(one) for one in facts.data_sets},
        curves={one.name: _plots(one) for one in facts.data_sets},
        trainings={
            one.name: [(TRAININGS.get(c.stage, ""), _training(c)) for c in one.curves] for one in facts.data_sets
        },
        origins={one.name: _origin(one, facts) for one in facts.data_sets},
        counts={one.name: _counted(one) for one in facts.data_sets},
        sides=SIDES,
        limits=list(words.limits(facts)),
        disclaimer=LIMITS,
        not_stated=NOT_STATED,
    )


def _hash(content: str) -> str:
    """Return what the page's security policy allows an element by: the hash of its content."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _slug(path: str) -> str:
    """Make a path an anchor."""
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", path)


def _filters(one: DataSet) -> dict[str, list[str]]:
    """Return what the pictures of a data set can be filtered by, where there is a choice."""
    found = {by: sorted({getattr(case, by) for case in one.gathered.cases}) for by in ("scanner", "site")}
    return {by: values for by, values in found.items() if len(values) > 1}


def _origin(one: DataSet, facts: Facts) -> dict[str, str]:
    """Return where the first weights of a data set's training came from."""
    key = f"{one.kind.training}.{one.name}"
    weights = str(facts.parameters.get(f"{key}.weights", "none"))
    if one.kind.training != "train_cnn":
        return {}
    return origin(
        str(facts.parameters.get(f"{key}.architecture")), weights, facts.parameters.get(f"{key}.weights_sha256")
    )


@dataclass(frozen=True)
class Counted:
    """Images and patients of one group, by side."""

    group: str
    images: dict[str, int]
    patients: dict[str, int]

    @property
    def total(self) -> int:
        """Return the images of all sides."""
        return sum(self.images.values())


def _counted(one: DataSet) -> dict[str, list[Counted]]:
    """Return criterion -> groups; a criterion that the snapshot does not state is left out."""
    found: dict[str, dict[str, list[Count]]] = {}
    for count in one.gathered.counts:
        found.setdefault(count.by, {}).setdefault(count.group, []).append(count)
    return {
        by: [
            Counted(group, {one.side: one.images for one in counts}, {one.side: one.patients for one in counts})
            for group, counts in groups.items()
        ]
        for by, groups in found.items()
        if list(groups) != [NOT_STATED]
    }


@dataclass(frozen=True)
class Chart:
    """A chart with its title, the key to its lines, and the file that it is drawn from."""

    title: str
    svg: Markup
    lines: list[str]
    path: str
    says: str = ""


def _plots(one: DataSet) -> list[Chart]:
    """Return the charts of an evaluation, of those whose tables are there."""
    place, made = f"plots/{one.name}", []
    if rows := one.plots.get("reliability"):
        points = _points(rows, "mean_confidence", "accuracy")
        weights = [int(row["n"]) for row in rows]
        title = "Does its confidence mean what it says?"
        svg = charts.lines(title, [Line("", points)], "mean confidence", "accuracy", diagonal=True, dots=weights)
        says = "On the dashed line, of images called with 0.8 eight in ten are right. Larger dots: more images."
        made.append(Chart(title, svg, [], place, says))
    if rows := one.plots.get("risk_coverage"):
        points = _points(rows, "coverage", "error")
        title = "What if it kept only its surest answers?"
        top = charts.above(max(0.01, *(error for _, error in points)))
        svg = charts.lines(title, [Line("", points)], "share of images kept", "errors among them", y_range=(0, top))
        made.append(Chart(title, svg, [], place, "Further left, fewer images are answered, the surest ones."))
    if rows := one.plots.get("free_response"):
        drawn = _by_class(rows, "false_boxes", "recall")
        title = "How many false boxes does it cost to find them?"
        most = charts.above(max(1.0, *(x for line in drawn for x, _ in line.points)))
        svg = charts.lines(title, drawn, "false boxes an image, of all structures", "share found", x_range=(0, most))
        says = "Further right, boxes of less confidence count too."
        made.append(Chart(title, svg, [line.name for line in drawn], place, says))
    for name, title, x, y in CURVES:
        if rows := one.plots.get(name):
            drawn = _by_class(rows, x, y)
            svg = charts.lines(title, drawn, x.replace("_", " "), y.replace("_", " "))
            made.append(Chart(title, svg, [line.name for line in drawn], place))
    return made


CURVES = (
    ("roc", "ROC, each class against the rest", "false_positive_rate", "true_positive_rate"),
    ("pr", "Precision and recall", "recall", "precision"),
)


def _points(rows: list[dict[str, str]], x: str, y: str) -> Points:
    return [(float(row[x]), float(row[y])) for row in rows]


def _by_class(rows: list[dict[str, str]], x: str, y: str) -> list[Line]:
    names = sorted({row["class"] for row in rows})
    return [Line(words.structure(name), _points([row for row in rows if row["class"] == name], x, y)) for name in names]


def _training(curves: Curves) -> list[Chart]:
    """Draw what a training logged: losses in one chart, shares in another; a series and its `val/` series together."""
    losses = {name: points for name, points in curves.series.items() if "loss" in name}
    others = {name: points for name, points in curves.series.items() if "loss" not in name}
    made = []
    for title, series in (("Loss by epoch", losses), ("Scores by epoch", others)):
        if not series:
            continue
        drawn = [
            Line(_series(name), points) for name, points in sorted(series.items(), key=lambda one: _series(one[0]))
        ]
        values = [value for line in drawn for _, value in line.points]
        last = max(epoch for line in drawn for epoch, _ in line.points)
        top = 1.0 if title.startswith("Scores") else charts.above(max(values))
        svg = charts.lines(title, drawn, "epoch", title.split()[0].lower(), (1, last), (0, top), whole=True)
        made.append(Chart(title, svg, [line.name for line in drawn], f"plots/{curves.stage}"))
    return made


SERIES = {"box_loss": "box loss", "cls_loss": "class loss", "dfl_loss": "edge loss"}
"""Ultralytics' names of what a detector's loss consists of, in words."""


def _series(name: str) -> str:
    """Write a series' name: `val/loss` as `loss, validation`."""
    side, _, rest = name.rpartition("/")
    return f"{SERIES.get(rest, rest)}, {'validation' if side in ('val', 'metrics') else 'training'}"
