"""Write predictions to standard output, each as soon as it is there: for a person, as JSON lines or as CSV."""

import csv
import json
import sys
from collections.abc import Callable, Sequence

from sonotrace.lineage.known import TrustedModel
from sonotrace.predict.prediction import Models, Prediction

_BEFORE = ("file", "frame", "plane", "uncertain", "reason", "probability", "scope")
_AFTER = ("structure", "confidence", "x0", "y0", "x1", "y1", "error")
"""Columns before and after those of the planes."""


def writer(form: str, models: Models, trusted: Sequence[TrustedModel]) -> Callable[[Prediction], None]:
    """Return what writes one prediction in a form: text, json or csv; CSV has its header by then."""
    if form == "json":
        doubts = {
            "unknown_models": [str(model.path) for model in trusted if not model.known],
            "uncommitted_models": [str(model.path) for model in trusted if model.known and not model.committed],
        }
        return lambda one: print(json.dumps(one.as_json() | doubts, ensure_ascii=False), flush=True)
    if form == "csv":
        planes = models.classifier.planes if models.classifier else ()
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow([*_BEFORE, *planes, *_AFTER])

        def write(one: Prediction) -> None:
            table.writerows(rows(one, planes))
            sys.stdout.flush()

        return write
    return lambda one: print("\n".join(lines(one)), flush=True)


def rows(one: Prediction, planes: Sequence[str]) -> list[list[object]]:
    """Return the rows of an image in CSV: one a structure, or one where none was found. None becomes an empty cell."""
    given = one.probabilities
    uncertain = str(one.uncertain).lower() if one.plane else None
    probability = given[one.plane] if one.plane else None
    before = [one.file, one.frame, one.plane, uncertain, one.reason, probability, one.scope]
    of_planes = [given.get(plane) for plane in planes]
    found = [[found.structure, found.confidence, *found.box] for found in one.structures]
    return [[*before, *of_planes, *structure, one.error] for structure in found or [[None] * 6]]


def lines(one: Prediction) -> list[str]:
    """Return the lines about an image for a person."""
    if one.error:
        return [one.error]
    frame = f" frame {one.frame}" if one.frame else ""
    found = [
        f"  {found.structure} {found.confidence:.3f} at [{', '.join(f'{corner:g}' for corner in found.box)}] px"
        for found in one.structures
    ]
    return [f"{one.file}{frame}{_plane(one)}", *found]


def _plane(one: Prediction) -> str:
    probabilities = one.probabilities
    if one.plane:
        return f": {one.plane} {probabilities[one.plane]:.3f}{' (uncertain)' if one.uncertain else ''}"
    if one.reason:
        nearest = max(probabilities, key=lambda plane: probabilities[plane])
        return f": {one.reason} (nearest: {nearest} {probabilities[nearest]:.3f})"
    return ""
