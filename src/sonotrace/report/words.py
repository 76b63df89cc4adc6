"""The page's plain words: what scores mean, what happened to an image, and what a model may not be used for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonotrace.records.lock import text
from sonotrace.report.facts import DataSet, Facts, Score
from sonotrace.report.gathered import Box, Case


@dataclass(frozen=True)
class Meaning:
    """What a score is called and what it says."""

    label: str
    says: str
    lower_is_better: bool = False
    most: float = 1.0
    """The greatest value that it can have; 0 where there is none."""


MEANINGS = {
    "accuracy": Meaning("Accuracy", "share of the test images that are named right"),
    "balanced_accuracy": Meaning("Balanced accuracy", "mean of the classes' recalls; rare classes count as much"),
    "macro_f1": Meaning("Macro F1", "mean of the classes' F1; the score that decides"),
    "roc_auc": Meaning("ROC AUC", "chance that an image of the class ranks above one that is not"),
    "loss": Meaning("Cross-entropy", "penalty for sure and wrong answers", lower_is_better=True, most=0),
    "ece": Meaning("Calibration error", "mean gap between confidence and accuracy", lower_is_better=True),
    "brier": Meaning("Brier score", "squared distance of the probabilities from the truth", True, 2.0),
    "error_at_90_coverage": Meaning("Error at 90 % coverage", "errors among the 90 % surest images", True),
    "in_scope": Meaning("Given a class", "share of the test images that the model does not refuse"),
    "precision": Meaning("Precision", "share of its answers that are right"),
    "recall": Meaning("Recall", "share of what is there that it finds"),
    "f1": Meaning("F1", "harmonic mean of precision and recall"),
    "map50": Meaning("mAP at IoU 0.5", "mean average precision, generous overlap; the score that decides"),
    "map50_95": Meaning("mAP at IoU 0.5 to 0.95", "mean average precision, up to nearly exact overlap"),
    "ap50": Meaning("AP at IoU 0.5", "average precision, generous overlap"),
    "ap50_95": Meaning("AP at IoU 0.5 to 0.95", "average precision, up to nearly exact overlap"),
    "ap75": Meaning("AP at IoU 0.75", "average precision, close overlap"),
    "recall_at_1_false_box": Meaning(
        "Recall at one false box", "share of what is there that is found with one false box an image on average"
    ),
    "distance_px": Meaning("Distance, px", "median distance of the boxes' centres, px of the image as pulled", True, 0),
    "distance_mm": Meaning("Distance, mm", "the same in mm, of images whose pixel size is known", True, 0),
    "more_than_anatomy": Meaning(
        "Too many", "share of images with more boxes of the structure than a head has", lower_is_better=True
    ),
    "accepted_in_scope": Meaning("In scope, given a class", "share of images in scope that are not refused"),
    "fpr95": Meaning("Let in at 95 %", "share let in by a limit that keeps 95 % of the images in scope", True),
    "accepted": Meaning("Let in", "share of the images out of scope that are given a class", lower_is_better=True),
    "difference": Meaning("Difference", "accuracy on the changed images less that on the images as they are"),
    "other": Meaning("Other answers", "share of the answers that the change alters", lower_is_better=True),
}


def meaning(score: str) -> Meaning:
    """Return what a score means; one that is not listed goes by its own name."""
    return MEANINGS.get(score, Meaning(score.replace("_", " "), "", most=0))


def figure(value: float | None, score: str = "") -> str:
    """Write a score: shares as a percentage, others as a number; a dash where there is none."""
    if value is None:
        return "–"
    return percent(value, 1) if score in SHARES else f"{value:.3f}"


def percent(value: float, digits: int = 0) -> str:
    """Write a share as a percentage, with a space that does not break."""
    return f"{100 * value:.{digits}f}\u00a0%"


SHARES = (
    *("accuracy", "balanced_accuracy", "precision", "recall", "in_scope", "error_at_90_coverage", "accepted"),
    *("accepted_in_scope", "fpr95", "other", "difference", "recall_at_1_false_box", "more_than_anatomy"),
)
"""Scores that are written as percentages."""


def parameter(value: Any) -> str:
    """Write a parameter's value; of a path on this machine, only the file's name."""
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else text(value)


def interval(score: Score) -> str:
    """Write a score's interval, or that it has none."""
    if score.low is None or score.high is None:
        return "no interval"
    return f"{figure(score.low, score.name)} to {figure(score.high, score.name)}"


def role(one: DataSet) -> str:
    """Say what a data set is for."""
    if one.stage == "evaluate_scope":
        return "images that show none of the classes"
    return (
        "a model is trained and tested on it"
        if one.is_learned
        else f"cohort: only measured on, with the model of {trained_on(one)}"
    )


def trained_on(one: DataSet) -> str:
    """Return the data set that the measured model was trained on."""
    return one.gathered.trained_on


def headline(one: DataSet) -> str:
    """Say in one sentence how good the model is on a data set."""
    images, patients = one.tested.get("images", 0), one.tested.get("patients", 0)
    scores = {score.name: score for score in one.overall}
    on = f"{images} test images of {patients} patients"
    if one.stage == "evaluate_scope":
        score = scores.get("accepted")
        if score is None or score.value is None:
            return f"The model cannot refuse: it gives each of {images} images out of scope a class."
        return (
            f"It gives {figure(score.value, 'accepted')} of {images} images out of scope a class; none should get one."
        )
    if one.kind.has_boxes:
        found = {
            key: sum(tally[key] for tally in one.gathered.detections.values()) for key in ("found", "boxes", "false")
        }
        return (
            f"It finds {found['found']} of {found['boxes']} structures in {on}, and draws {found['false']} false boxes."
        )
    wrong = wrong_answers(one)
    return f"It names {images - wrong} of {on} right, and {wrong} wrong."


def wrong_answers(one: DataSet) -> int:
    """Count a classifier's wrong answers."""
    pairs = one.gathered.confusion.items()
    return sum(count for actual, row in pairs for predicted, count in row.items() if predicted != actual)


def worst_confusion(one: DataSet) -> str:
    """Name the most frequent error of a classifier, or nothing where there is none."""
    pairs = [
        (count, actual, predicted)
        for actual, row in one.gathered.confusion.items()
        for predicted, count in row.items()
        if predicted != actual
    ]
    if not pairs:
        return ""
    count, actual, predicted = max(pairs, key=lambda pair: (pair[0], pair[1], pair[2]))
    return (
        f"Most frequent error: {actual} called {predicted}, {count} of {sum(one.gathered.confusion[actual].values())}."
    )


def worst_group(one: DataSet) -> str:
    """Name the group with the lowest score, or nothing where there are no groups to compare."""
    worst = one.worst
    if not worst:
        return ""
    name = next(key for key in worst if key not in ("by", "group", "n_images", "n_patients"))
    score = Score(name, worst[name]["value"], worst[name]["low"], worst[name]["high"])
    label = "accuracy" if name == "accuracy" else meaning(name).label
    return (
        f"Weakest group: {worst['by']} {worst['group']}, {label} "
        f"{figure(score.value, name)} ({interval(score)}) on {worst['n_images']} images of "
        f"{worst['n_patients']} patients."
    )


def structure(name: str) -> str:
    """Write a structure's name for a reader: `MIDLINE_FALX` as `midline falx`; `CSP` stays."""
    return name if len(name) <= 3 else name.replace("_", " ").lower()


def box_verdict(box: Box) -> str:
    """Say what is wrong or right with a box."""
    name = structure(box.structure)
    if box.verdict == "missed":
        return f"missed {name}"
    if box.verdict == "found":
        return f"true {name}"
    sure = percent(box.confidence or 0)
    if box.verdict == "hit":
        return f"found {name}, {sure} sure, overlap {box.overlap:.2f}"
    nearest = box.overlap or 0
    why = "second box on one that was found" if nearest >= 0.5 else f"overlap only {nearest:.2f}"
    return f"false {name}, {sure} sure, {why if nearest >= 0.1 else 'nothing there'}"


def described(case: Case) -> str:
    """Describe a picture to someone who cannot see it."""
    if not case.probabilities:
        wrong = [box_verdict(box) for box in case.boxes if box.verdict in ("missed", "false")]
        return f"Image {case.code}: {'; '.join(wrong) or 'all structures found, none false'}"
    sure = percent(case.confidence or 0)
    said = f"called {case.predicted}, {sure} sure" if case.in_scope else f"refused, nearest {case.predicted}, {sure}"
    return f"Image {case.code}: labelled {case.actual}, {said}"


PURPOSES = {
    "planes": "names the standard plane of a fetal ultrasound image: {classes}",
    "structures": "draws boxes around structures of the fetal brain: {classes}",
}


def purpose(one: DataSet) -> str:
    """Say what a model is for."""
    names = [structure(name) for name in one.gathered.names]
    return PURPOSES[one.kind.name].format(classes=", ".join(names))


def limits(facts: Facts) -> Iterator[str]:
    """Yield what the models may not be used for, with the numbers that say why."""
    yield "Not for diagnosis, and not for any clinical decision. This is research software, not a medical device."
    yield "Not in place of a physician's reading: no study compared these models with one."
    for one in facts.data_sets:
        yield from _limits(one, facts)


def _limits(one: DataSet, facts: Facts) -> Iterator[str]:
    name, snapshot = one.name, one.gathered.snapshot
    if one.is_drawn:
        yield (
            f"{name}: its images are drawn by the project's phantom. Scores on them say that the workflow runs, and "
            "nothing about real images."
        )
    if one.is_learned:
        others = [
            other.name
            for other in facts.data_sets
            if other is not one and trained_on(other) == name and other.stage == "evaluate"
        ]
        cohorts = f"; measured elsewhere on {', '.join(others)}" if others else "; no other site was measured"
        yield f"{name}: not for other scanners, sites and populations than those under Data without a check{cohorts}."
        if not one.kind.has_boxes:
            scopes = [
                other for other in facts.data_sets if trained_on(other) == name and other.stage == "evaluate_scope"
            ]
            yield from _scope_limits(name, scopes)
        else:
            yield f"{name}: not for measuring. From an overlap (IoU) of 0.5 a box counts as found, tight or not."
    if not snapshot["licence"] and not one.is_drawn:
        yield f"{name}: the snapshot states no licence; ask its owner before you hand models or this page on."


def _scope_limits(name: str, scopes: list[DataSet]) -> Iterator[str]:
    if not scopes:
        yield f"{name}: not for images that may show no such plane. Whether the model refuses them was not measured."
    for scope in scopes:
        score = next((one for one in scope.overall if one.name == "accepted"), None)
        if score and score.value is not None:
            yield (
                f"{name}: not for unsorted images. Of {scope.tested.get('images', 0)} images that show no such plane "
                f"({scope.name}), the model gave {figure(score.value, 'accepted')} one anyway ({interval(score)})."
            )
