"""What the pipeline can say of models and results, for the checklists: one function per answer."""

from collections.abc import Iterator
from pathlib import Path

from sonotrace.export import LICENCE
from sonotrace.export.card import with_interval
from sonotrace.export.checklists.answer import PARAMS, Answer, each, learned, parameter
from sonotrace.export.record import REQUIREMENTS, Record
from sonotrace.export.requirements import packages
from sonotrace.places import PAGE
from sonotrace.report import words
from sonotrace.report.facts import Facts
from sonotrace.tables import NOT_STATED

FRAMEWORKS = (
    "dvc",
    "tensorflow",
    "keras",
    "torch",
    "ultralytics-opencv-headless",
    "scikit-learn",
    "opencv-python-headless",
)
"""Packages of the lock that are named; the lock has them all."""


def method(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say what kind of AI it is."""
    tasks = {"planes": "image classification", "structures": "object detection"}
    for one, name in learned(facts):
        yield Answer(f"{name} {tasks[one.kind.name]} by a convolutional neural network.")


def purpose(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say what each model is for."""
    for one, name in learned(facts):
        yield Answer(f"{name} {words.purpose(one)}. Research only.")


def tested(_: Record, facts: Facts) -> Iterator[Answer]:
    """Count what each model was measured on."""
    for one, name in each(facts):
        counts = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in one.tested.items())
        yield Answer(f"{name} measured on {counts}.", (one.detail,))


def model(run: Record, facts: Facts) -> Iterator[Answer]:
    """Name net, input, output and file of each model."""
    for one, name in learned(facts):
        settings = run.settings(one.name)
        net = words.parameter(settings.get("architecture", settings.get("weights")))
        file = facts.by_path[one.gathered.model]
        yield Answer(
            f"{name} {net}; input {one.prepared['width']} x {one.prepared['height']} px, grey; output "
            f"{', '.join(one.gathered.names)}; {file.path}, md5 {file.md5}.",
            (file.path, PARAMS),
        )


def the_image(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say what goes into a model."""
    for one, name in learned(facts):
        yield Answer(f"{name} the image alone, {one.prepared['width']} x {one.prepared['height']} px.", (PARAMS,))


def software(run: Record, _: Facts) -> Iterator[Answer]:
    """Name the main packages of the lock."""
    locked = {package.name: package.version for package in packages(run.top / REQUIREMENTS)}
    named = ", ".join(f"{name} {locked[name]}" for name in FRAMEWORKS if name in locked)
    yield Answer(f"{len(locked)} packages, each pinned by hash: {named or 'see the file'}.", (REQUIREMENTS,))


def beginning(run: Record, facts: Facts) -> Iterator[Answer]:
    """Say how weights began."""
    for one, name in learned(facts):
        settings = run.settings(one.name)
        weights = words.parameter(settings.get("weights", "none"))
        yield Answer(f"{name} weights {weights}, seed {words.parameter(settings.get('seed'))}.", (PARAMS,))


def training(run: Record, facts: Facts) -> Iterator[Answer]:
    """Name hyperparameters and augmentation."""
    for one, name in learned(facts):
        named = ("epochs", "batch", "learning_rate", "imgsz", "nominal_batch", "mixed_precision")
        settings = {key: value for key, value in run.settings(one.name).items() if key in named}
        prefix = f"augment.{one.name}."
        augmented = {
            key.removeprefix(prefix): value for key, value in facts.parameters.items() if key.startswith(prefix)
        }
        used = {key: value for key, value in augmented.items() if value not in (0, False)}
        said = ", ".join(f"{key} {words.parameter(value)}" for key, value in settings.items())
        copies = ", ".join(f"{key} {words.parameter(value)}" for key, value in used.items())
        yield Answer(f"{name} {said}; augmentation: {copies or 'none'}.", (PARAMS,))


def choice(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say which epoch was kept."""
    for one, name in learned(facts):
        found = ", ".join(
            f"{words.meaning(key).label} {words.figure(value, key)}" for key, value in one.validation.items()
        )
        if found:
            text = f"{name} the epoch that validated best ({found})."
            yield Answer(text, (f"metrics/{one.name}_validation.json",))


def ensemble(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say whether the model is one of several."""
    for one, name in learned(facts):
        stem = Path(one.gathered.model).stem
        how = {
            f"{one.name}_ensemble": "mean of the nets of all folds",
            f"{one.name}_distilled": "one net that learnt from those of all folds",
        }
        yield Answer(f"{name} {how.get(stem, 'none')}.", (one.gathered.model,))


def metrics(_: Record, facts: Facts) -> Iterator[Answer]:
    """Name the scores."""
    for one, name in each(facts):
        yield Answer(f"{name} {', '.join(words.meaning(score.name).label for score in one.overall)}.", (one.detail,))


def intervals(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say how intervals came about."""
    for one, name in each(facts):
        count = parameter(facts, f"{one.stage}.{one.name}.bootstrap")
        yield Answer(f"{name} 95 % intervals from {count} bootstrap resamples of patients.", (one.detail, PARAMS))


def robustness(_: Record, facts: Facts) -> Iterator[Answer]:
    """Give accuracy on changed images and by group."""
    for one, name in each(facts):
        if one.changes:
            said = ", ".join(
                f"{group.name.replace('_', ' ')} {with_interval(group.scores[0])}" for group in one.changes
            )
            yield Answer(f"{name} accuracy on changed images: {said}.", (f"metrics/{one.name}_robustness.json",))
    yield from by_group(_, facts)


def explanation(run: Record, facts: Facts) -> Iterator[Answer]:
    """Name the occlusion maps."""
    made = {link.path for step in run.steps.values() for link in step.outputs}
    for one, name in each(facts):
        path = f"data/{one.name}/evaluate/anatomy"
        if path in made and not one.kind.has_boxes:
            yield Answer(f"{name} occlusion maps over a sample of the test images.", (path,))


def external(_: Record, facts: Facts) -> Iterator[Answer]:
    """Give the primary score elsewhere."""
    cohorts = [one for one in facts.data_sets if not one.is_learned and one.stage == "evaluate"]
    for one in cohorts:
        if one.primary:
            label = words.meaning(one.primary.name).label
            said = f"{label} {with_interval(one.primary)}"
            yield Answer(f"{one.name} ({words.role(one)}): {said} on {one.tested.get('images')} images.", (one.detail,))
    if not cohorts:
        yield Answer("None: no cohort was measured.", (PARAMS,))


def results(_: Record, facts: Facts) -> Iterator[Answer]:
    """Give all scores with their intervals."""
    for one, name in each(facts):
        said = ", ".join(f"{words.meaning(score.name).label} {with_interval(score)}" for score in one.overall)
        yield Answer(f"{name} {said}.", (one.detail,))
        if one.folds:
            score = next((score for score in one.folds.overall if score.name == one.folds.spread_of), None)
            if score:
                said = f"{words.meaning(score.name).label} {with_interval(score)}"
                yield Answer(f"Over all folds: {said}.", (f"metrics/{one.name}_folds_detail.json",))


def class_results(_: Record, facts: Facts) -> Iterator[Answer]:
    """Give the scores of each class."""
    for one, name in each(facts):
        said = "; ".join(
            f"{group.name} (n {group.n}) "
            + ", ".join(f"{words.meaning(score.name).label} {with_interval(score)}" for score in group.scores)
            for group in one.classes
        )
        if said:
            yield Answer(f"{name} {said}.", (one.detail,))


def by_group(_: Record, facts: Facts) -> Iterator[Answer]:
    """Give the score by scanner and site, and the weakest group."""
    for one, name in each(facts):
        for by, groups in one.groups.items():
            if by != "label" and [group.name for group in groups] != [NOT_STATED]:
                said = ", ".join(f"{group.name} {with_interval(group.scores[0])}, n {group.n}" for group in groups)
                label = words.meaning(groups[0].scores[0].name).label
                yield Answer(f"{name} {label} by {by}: {said}.", (f"metrics/{one.name}_groups.json",))
        weakest = words.worst_group(one)
        if weakest and one.worst and one.worst["by"] != "label":
            yield Answer(f"{name} {weakest}", (f"metrics/{one.name}_groups.json",))


def failures(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say where the models fail."""
    for one, name in each(facts):
        more = f" {words.worst_confusion(one)}" if words.worst_confusion(one) else ""
        yield Answer(
            f"{name} {words.headline(one)}{more}", (PAGE.as_posix(), f"data/{one.name}/{one.stage}/predictions.csv")
        )


def limits(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say what the models may not be used for."""
    yield Answer(" ".join(words.limits(facts)), (PAGE.as_posix(),))


def code(run: Record, _: Facts) -> Iterator[Answer]:
    """Name code and commit."""
    yield Answer(
        f"sonotrace, {LICENCE}, commit {run.commit.id}; the graph of stages and hashes of all files.",
        ("dvc.yaml", "dvc.lock"),
    )


def plots(_: Record, facts: Facts) -> Iterator[Answer]:
    """Name the plots."""
    for one, name in each(facts):
        if one.plots:
            yield Answer(f"{name} {', '.join(plot.replace('_', ' ') for plot in one.plots)}.", (f"plots/{one.name}",))


def calibration(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say how probabilities are calibrated, and how well."""
    for one, name in learned(facts):
        ece = next((score for score in one.overall if score.name == "ece"), None)
        if ece:
            yield Answer(
                f"{name} one temperature, fitted on the validation split; calibration error {with_interval(ece)}.",
                (one.detail, f"plots/{one.name}"),
            )


def output(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say what a model gives."""
    for one, name in learned(facts):
        if one.kind.has_boxes:
            threshold = parameter(facts, f"evaluate.{one.name}.confidence")
            yield Answer(
                f"{name} boxes with a confidence; those from {threshold} count, a threshold set beforehand.", (PARAMS,)
            )
        else:
            yield Answer(
                f"{name} a calibrated probability per class; the class of the highest, or none where the image is "
                f"unlike the training images ({one.gathered.refused} test images refused).",
                (f"data/{one.name}/evaluate/predictions.csv",),
            )


def refusal(_: Record, facts: Facts) -> Iterator[Answer]:
    """Say how images that are no such plane are met."""
    yield Answer("Images that cannot be decoded are reported, not guessed at.")
    for one, name in each(facts):
        if one.stage == "evaluate_scope":
            yield Answer(f"{name} {words.headline(one)}", (one.detail,))
        elif one.is_learned and not one.kind.has_boxes:
            yield Answer(
                f"{name} {one.gathered.refused} of {one.tested.get('images')} test images refused.", (one.detail,)
            )
