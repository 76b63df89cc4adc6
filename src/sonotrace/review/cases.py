"""Which images to review, in which order: doubted labels, worst errors, near-duplicates."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from sonotrace.errors import SonotraceError
from sonotrace.kinds.kind import Kind
from sonotrace.params import Params
from sonotrace.places import folder
from sonotrace.report.detections import judged
from sonotrace.scores.structures import of_lowest_seed
from sonotrace.tables import read_table


@dataclass
class Case:
    """One image to review."""

    image: str
    sha256: str
    file: str
    """Below the images that pull brought in."""
    side: str
    label: str
    """As the models learn it; for structures the names in its boxes."""
    boxes: list[list[float]]
    """x0, y0, x1, y1 of its labels, px of the image."""
    suggested: str = ""
    """The class that a model gives it which had not seen its patient."""
    reasons: list[str] = field(default_factory=list)
    """Why it is here, without the suggestion."""
    beside: list[str] = field(default_factory=list)
    """sha256 of the images that it is nearly the same as."""


def cases(data_set: str, params: Params, audit: Path) -> list[Case]:
    """Return the images of `data_set` to review, each once, those with the most doubtful labels first.

    Reads what `audit-labels` left in `audit`, and the predictions of the folds and of the test side. Raises
    SonotraceError where none of them is there. What they say of an image whose label has changed since is left out.
    """
    kind = params.kind(data_set)
    split = read_table(folder(data_set, "split") / "split.csv").set_index("image", drop=False)
    boxes = read_table(folder(data_set, "validate") / "boxes.csv")
    brought_in = set(read_table(folder(data_set, "pull") / "manifest.csv")["sha256"])
    of_image = {str(image): rows for image, rows in boxes.groupby("image")}
    found: dict[str, Case] = {}
    sources = [*_doubted(audit), *_errors(data_set, kind, params, split), *_duplicates(data_set, audit)]
    seen = [table for table in sources if table is not None]
    if not seen:
        raise SonotraceError(
            f"review: nothing says which images of {data_set} to look at; run `sonotrace audit-labels` or "
            f"`dvc repro evaluate@{data_set}` first"
        )
    for row in (row for table in seen for row in table):
        known = split.loc[row.image] if row.image in split.index else None
        if known is None or known["sha256"] not in brought_in or row.label not in ("", known["label"]):
            continue
        if row.image not in found:
            own = of_image.get(row.image, boxes[:0])
            names = sorted(set(own["structure"])) if kind.has_boxes else [str(known["label"])]
            found[row.image] = Case(
                image=row.image,
                sha256=str(known["sha256"]),
                file=str(known["file"]),
                side=str(known["side"]),
                label=", ".join(names) or "no box",
                boxes=[[float(value) for value in box] for box in own[["x0", "y0", "x1", "y1"]].to_numpy()],
            )
        case = found[row.image]
        case.reasons.append(row.reason)
        case.suggested = case.suggested or row.suggested
        if row.beside in split.index:
            case.beside.append(str(split.loc[row.beside, "sha256"]))
    return list(found.values())


@dataclass(frozen=True)
class _Doubt:
    """One reason to look at an image."""

    image: str
    label: str
    """What it was labelled when the doubt arose; empty where that does not matter."""
    reason: str
    suggested: str = ""
    beside: str = ""


def _doubted(audit: Path) -> list[list[_Doubt] | None]:
    path = audit / "labels.csv"
    if not path.is_file():
        return [None]
    table = read_table(path)
    rows = table[table["suspected"] == "true"]
    return [
        [
            _Doubt(row["image"], row["label"], f"the audit doubts this label (rank {row['rank']})", row["suggested"])
            for row in rows.to_dict("records")
        ]
    ]


def _errors(data_set: str, kind: Kind, params: Params, split: pd.DataFrame) -> Iterator[list[_Doubt] | None]:
    if not kind.training:  # no model learns such labels, so none of its answers can be an error
        return
    if kind.has_boxes:
        confidence = float(str(params.evaluate[data_set].model_dump()["confidence"]))
        boxes = read_table(folder(data_set, "prepare") / "boxes.csv")
        of_test = split["side"] == "test"
        for stage, read, whose, asked in (
            ("evaluate_folds", of_lowest_seed, "a net of the folds, which had not seen the patient", ~of_test),
            ("evaluate", pd.DataFrame, "the model", of_test),
        ):
            path = folder(data_set, stage) / "predictions.csv"
            images = [str(image) for image in split.loc[asked, "image"]]
            yield _wrong_boxes(read(read_table(path)), whose, images, boxes, confidence) if path.is_file() else None
        return
    for stage, what in (
        ("ensemble", "nets of the folds, which had not seen the patient, disagree"),
        ("evaluate", "the model, which had not seen the patient, disagrees"),
    ):
        path = folder(data_set, stage) / "predictions.csv"
        yield _wrong_planes(read_table(path), what) if path.is_file() else None


def _wrong_planes(table: pd.DataFrame, reason: str) -> list[_Doubt]:
    """Return the images that are named otherwise than labelled, the surest errors first."""
    wrong = table[table["label"] != table["predicted"]]
    surest = [float(row[row["predicted"]]) for row in wrong.to_dict("records")]
    wrong = wrong.assign(surest=surest).sort_values(["surest", "image"], ascending=[False, True], kind="stable")
    return [_Doubt(row["image"], row["label"], reason, row["predicted"]) for row in wrong.to_dict("records")]


def _wrong_boxes(
    found: pd.DataFrame, whose: str, asked: list[str], boxes: pd.DataFrame, confidence: float
) -> list[_Doubt]:
    """Return the images that a net was asked about with missed or false boxes, those with the most first.

    Boxes are in px of the prepared images.
    """
    drawn = judged(found, boxes[boxes["image"].isin(asked)], asked, confidence)
    doubts = []
    for one in sorted(drawn, key=lambda one: (*one.order, one.image)):
        counts = [(sum(box.verdict == verdict for box in one.boxes), verdict) for verdict in ("missed", "false")]
        if any(count for count, _ in counts):
            said = " and ".join(f"{count} {verdict}" for count, verdict in counts if count)
            doubts.append(_Doubt(one.image, "", f"boxes of {whose}: {said}"))
    return doubts


def _duplicates(data_set: str, audit: Path) -> Iterator[list[_Doubt] | None]:
    path = audit / "duplicates.csv"
    if not path.is_file():
        yield None
        return
    doubts = []
    for row in read_table(path).to_dict("records"):
        if row["data_set"] != data_set:
            continue
        differs = row["differs"].replace(" ", ", ")
        reason = f"nearly the same image as another, which differs in {differs}"
        doubts += [
            _Doubt(row["image_a"], row["label_a"], reason, beside=row["image_b"]),
            _Doubt(row["image_b"], row["label_b"], reason, beside=row["image_a"]),
        ]
    yield doubts
