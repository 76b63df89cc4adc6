"""Which pictures go where on the page: the worst errors, and what each cell of a table opens onto."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sonotrace.report.facts import DataSet
from sonotrace.report.gathered import Case
from sonotrace.report.words import structure

WORST = 12
"""Images at the top of a data set."""
BUDGET = 6_500_000
"""Characters of pictures in a page that has to stay below 10 MB."""


PLURALS = {"image": "images", "box": "boxes"}


def counted(number: int, what: str) -> str:
    """Write a number of images or boxes."""
    return f"{number} {what if number == 1 else PLURALS[what]}"


@dataclass(frozen=True)
class Shown:
    """A case with the name of its picture on the page; the name is empty where the picture was left out."""

    case: Case
    picture: str


@dataclass(frozen=True)
class Gallery:
    """Pictures that open together."""

    id: str
    title: str
    count: int
    """Images that there are; not all of them need have a picture."""
    shown: list[Shown]
    what: str = "image"

    @property
    def in_words(self) -> str:
        """Say how many there are, and how many of them are shown."""
        shown = len(self.shown)
        if self.what == "box":
            rest = f" in {counted(shown, 'image')}"
        else:
            rest = "" if self.count == shown else f", {shown} shown"
        return counted(self.count, self.what) + rest


@dataclass(frozen=True)
class Cell:
    """A number of a table that may open onto a gallery."""

    count: int
    tint: int
    """Share of the row's images, 0 to 10, for shading."""
    is_right: bool
    opens: str = ""


@dataclass(frozen=True)
class Failures:
    """What the page shows of where a model fails on one data set."""

    worst: list[Shown]
    galleries: list[Gallery]
    table: dict[str, list[Cell]]
    """Row -> cells: actual class by predicted class, or structure by verdict."""
    columns: list[str]


def pictures(data_sets: Sequence[DataSet], budget: int = BUDGET) -> dict[str, list[Shown]]:
    """Return data set -> its cases with the names of their pictures, the worst first, within the budget.

    Where there are more pictures than the page may hold, each data set keeps its worst.
    """
    ranked = sorted(
        ((rank, at) for at, one in enumerate(data_sets) for rank in range(len(one.gathered.cases))),
    )
    quarantined = sum(len(row.picture) for one in data_sets for row in one.gathered.set_apart)
    left, named = budget - quarantined, set()
    for rank, at in ranked:
        size = len(data_sets[at].gathered.cases[rank].picture)
        if 0 < size <= left:
            left -= size
            named.add((rank, at))
    return {
        one.name: [
            Shown(case, f"p-{one.name}-{rank + 1}" if (rank, at) in named else "")
            for rank, case in enumerate(one.gathered.cases)
        ]
        for at, one in enumerate(data_sets)
    }


def of_data_set(one: DataSet, shown: list[Shown]) -> Failures:
    """Return the galleries of a data set."""
    if one.stage == "evaluate_scope":
        return _scope(one, shown)
    return _structures(one, shown) if one.kind.has_boxes else _planes(one, shown)


def _planes(one: DataSet, shown: list[Shown]) -> Failures:
    found = one.gathered
    names = found.names
    galleries, table = [], {}
    for row, actual in enumerate(names):
        counts = [found.confusion.get(actual, {}).get(predicted, 0) for predicted in names]
        cells = []
        for column, predicted in enumerate(names):
            own = [one for one in shown if (one.case.actual, one.case.predicted) == (actual, predicted)]
            at = f"{one.name}-cell-{row + 1}-{column + 1}" if own else ""
            if own:
                what = f"{actual}, named right" if row == column else f"{actual} called {predicted}"
                galleries.append(Gallery(at, what, counts[column], own))
            cells.append(Cell(counts[column], _tint(counts[column], sum(counts)), row == column, at))
        if sum(counts):
            table[actual] = cells
    wrong = sorted(galleries, key=lambda gallery: gallery.title.endswith("named right"))
    out = [one for one in shown if not one.case.in_scope]
    if out:
        wrong.append(Gallery(f"{one.name}-refused", "refused, though in scope", found.refused, out))
    worst = [one for one in shown if one.case.is_wrong and one.case.in_scope][:WORST]
    return Failures(worst, wrong, table, names)


def _structures(one: DataSet, shown: list[Shown]) -> Failures:
    table, galleries = {}, []
    for row, (name, tally) in enumerate(one.gathered.detections.items()):
        cells = []
        for verdict in ("found", "missed", "false"):
            own = [
                one
                for one in shown
                if verdict != "found" and any((b.structure, b.verdict) == (name, verdict) for b in one.case.boxes)
            ]
            at = f"{one.name}-{verdict}-{row + 1}" if own else ""
            if own:
                title = f"{verdict} {structure(name)}"
                galleries.append(Gallery(at, title, tally[verdict], own, "box"))
            cells.append(Cell(tally[verdict], _tint(tally[verdict], tally["boxes"]), verdict == "found", at))
        table[structure(name)] = cells
    right = [one for one in shown if not one.case.is_wrong]
    if right:
        galleries.append(Gallery(f"{one.name}-right", "no error, the loosest boxes", len(right), right))
    worst = [one for one in shown if one.case.is_wrong][:WORST]
    return Failures(worst, galleries, table, ["found", "missed", "false"])


def _scope(one: DataSet, shown: list[Shown]) -> Failures:
    galleries = list(_by_label(one, shown))
    return Failures(shown[:WORST], galleries, {}, [])


def _by_label(one: DataSet, shown: list[Shown]) -> Iterator[Gallery]:
    out = {name: score for name, score in _accepted(one).items() if score}
    for at, label in enumerate(sorted({one.case.actual for one in shown})):
        own = [one for one in shown if one.case.actual == label]
        count = out.get(label, len(own))
        yield Gallery(f"{one.name}-label-{at + 1}", f"{label}, given a plane", count, own)


def _accepted(one: DataSet) -> dict[str, int]:
    """Return label -> how many of its images were given a class, from its share and its number of images."""
    shares = {group.name: (group.n, {score.name: score.value for score in group.scores}) for group in one.classes}
    return {name: round(n * (scores.get("accepted") or 0)) for name, (n, scores) in shares.items()}


def _tint(count: int, of: int) -> int:
    return 0 if not count else max(1, round(10 * min(count / max(of, 1), 1)))
