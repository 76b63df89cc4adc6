"""Which images of a detector to show: those with missed and false boxes, and the boxes to draw on them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sonotrace.images.boxes import overlap
from sonotrace.images.packs import Stored
from sonotrace.report import pictures
from sonotrace.report.gathered import Box, Case
from sonotrace.report.naming import Naming
from sonotrace.tables import CORNERS

ENOUGH = 0.5
"""Intersection over union from which a box counts as found, as in precision and recall (`scores.structures`)."""
MOST = 100
"""Images of a data set that have a picture; the rest is counted."""
REASSURING = 6
"""Images without an error that are shown too, those with the loosest boxes."""


@dataclass(frozen=True)
class Drawn:
    """The boxes of one image, each with its verdict."""

    image: str
    boxes: list[Box]

    @property
    def order(self) -> tuple[float, ...]:
        """Return what sorts images, the worst first: errors, then the surest false box, then the loosest hit."""
        errors = sum(box.verdict in ("missed", "false") for box in self.boxes)
        surest = max((box.confidence or 0 for box in self.boxes if box.verdict == "false"), default=0.0)
        loosest = min((box.overlap or 0 for box in self.boxes if box.verdict == "hit"), default=1.0)
        return -errors, -surest, loosest


def judged(predictions: pd.DataFrame, boxes: pd.DataFrame, images: list[str], confidence: float) -> list[Drawn]:
    """Return the boxes of each image: true ones as found or missed, predicted ones as hits or false.

    Predictions below `confidence` are left out. By falling confidence, each takes the free true box of its own
    structure that it overlaps most, where that is ENOUGH; so precision and recall are counted.
    """
    sure = predictions[predictions["confidence"] >= confidence]
    sure = sure.sort_values("confidence", ascending=False, kind="stable")
    found_in, true_in = ({str(image): rows for image, rows in table.groupby("image")} for table in (sure, boxes))
    return [Drawn(image, _of_image(found_in.get(image, sure[:0]), true_in.get(image, boxes[:0]))) for image in images]


def _of_image(found: pd.DataFrame, true: pd.DataFrame) -> list[Box]:
    own = found["structure"].to_numpy()[:, None] == true["structure"].to_numpy()[None, :]
    overlaps = overlap(found[CORNERS].to_numpy(np.float64), true[CORNERS].to_numpy(np.float64)) * own
    free, hits = np.ones(len(true), bool), []
    for at, row in enumerate(found.to_dict("records")):
        best = int(np.argmax(overlaps[at] * free)) if len(true) else 0
        is_hit = bool(len(true) and free[best] and overlaps[at, best] >= ENOUGH)
        if is_hit:
            free[best] = False
        share = float(overlaps[at, best] if is_hit else overlaps[at].max(initial=0))
        hits.append(_box(row, "hit" if is_hit else "false", round(float(row["confidence"]), 4), round(share, 3)))
    known = [_box(row, "missed" if free[at] else "found") for at, row in enumerate(true.to_dict("records"))]
    return known + hits


def _box(row: dict[str, float], verdict: str, confidence: float | None = None, share: float | None = None) -> Box:
    corners = {corner: round(float(row[corner]), 1) for corner in CORNERS}
    return Box(str(row["structure"]), verdict, **corners, confidence=confidence, overlap=share)


def counted(drawn: list[Drawn], names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Count, for each structure, true boxes, and those found, missed and false."""
    boxes = [box for one in drawn for box in one.boxes]
    tallies = {
        name: {verdict: sum(box.structure == name and box.verdict == verdict for box in boxes) for verdict in VERDICTS}
        for name in names
    }
    return {name: {"boxes": tally["found"] + tally["missed"], **tally} for name, tally in tallies.items()}


VERDICTS = ("found", "missed", "false")


def cases(drawn: list[Drawn], split: pd.DataFrame, images: Stored, size: tuple[int, int], naming: Naming) -> list[Case]:
    """Return the cases to show, the worst first, with pictures from the prepared images.

    `split` are the rows of `split.csv`, `size` is width and height of the prepared images in px.
    """
    ordered = sorted(drawn, key=lambda one: (*one.order, one.image))
    wrong = [one for one in ordered if one.order[0] < 0][:MOST]
    right = [one for one in ordered if one.order[0] == 0][:REASSURING]
    rows = split.set_index("image", drop=False)
    return [
        Case(
            **naming.described(rows.loc[one.image]),
            width=size[0],
            height=size[1],
            actual=_names(one, ("found", "missed")),
            predicted=_names(one, ("hit", "false")),
            confidence=max((box.confidence or 0 for box in one.boxes if box.verdict == "false"), default=None),
            boxes=one.boxes,
            picture=pictures.of_image(images[one.image].read()),
        )
        for one in wrong + right
    ]


def _names(one: Drawn, verdicts: tuple[str, ...]) -> str:
    return ", ".join(sorted({box.structure for box in one.boxes if box.verdict in verdicts})) or "none"
