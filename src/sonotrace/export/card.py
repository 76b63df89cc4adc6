"""A model card in Markdown, of the same facts as the page of results.

The sections are those of Mitchell et al. (2019, Model cards for model reporting).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sonotrace.export import LICENCE, record
from sonotrace.export.record import Record
from sonotrace.models.published import origin
from sonotrace.places import PAGE, gathered
from sonotrace.report import words
from sonotrace.report.facts import DataSet, Facts, Group, Score, read
from sonotrace.running.outputs import write_bytes
from sonotrace.tables import NOT_STATED, SIDES


def write(top: Path, out: Path) -> None:
    """Write the card of the run checked out in `top`, which is the working directory, to the new file `out`.

    Raises SonotraceError where the workspace is not as recorded or `out` is there already.
    """
    run, facts = recorded(top, out)
    write_bytes(document(run, facts).encode(), out)


def recorded(top: Path, out: Path) -> tuple[Record, Facts]:
    """Return the run and its facts, which are held against the record; `out` must be new."""
    record.require_new(out)
    run = record.read(top, lambda data_set, _: [gathered(data_set).as_posix()])
    return run, read()


def document(run: Record, facts: Facts) -> str:
    """Return the card."""
    learned = [one for one in facts.data_sets if one.is_learned]
    parts = [
        *_head(run, learned),
        "# Model card: fetal ultrasound",
        f"Made by sonotrace from commit `{run.commit.id}`. Every number is in a file of that commit, named below it.",
        *_drawn(facts),
        *_details(run, facts, learned),
        *_uses(facts, learned),
        *_factors(facts),
        *_measures(facts, learned),
        *_data(facts),
        *_scores(facts),
        *_ethics(facts),
    ]
    return "\n\n".join(parts) + "\n"


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; bars and line breaks in cells are escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_cell(one) for one in line)} |" for line in lines)


def _cell(content: str) -> str:
    return " ".join(content.replace("|", "\\|").replace("<", "&lt;").split())


def _head(run: Record, learned: list[DataSet]) -> Iterator[str]:
    """Yield the head that model registries read."""
    tasks = {"planes": "image-classification", "structures": "object-detection"}
    tags = sorted({tasks[one.kind.name] for one in learned} | {"fetal-ultrasound"})
    yield "\n".join(
        ["---", f"license: {LICENCE.lower()}", f"tags: [{', '.join(tags)}]", f"commit: {run.commit.id}", "---"]
    )


def _drawn(facts: Facts) -> Iterator[str]:
    drawn = [one.name for one in facts.data_sets if one.is_drawn]
    if drawn:
        yield (
            f"> The images of {' and '.join(drawn)} are drawn by the project's phantom. Scores on them say that the "
            "workflow runs, nothing else."
        )


def _details(run: Record, facts: Facts, learned: list[DataSet]) -> Iterator[str]:
    yield "## Model details"
    for one in learned:
        model = one.gathered.model
        settings = run.settings(one.name)
        rows = [
            ["purpose", words.purpose(one)],
            ["file", f"{model}, {one.gathered.model_bytes} bytes"],
            ["sha256", run.file(model).sha256],
            ["classes", ", ".join(one.gathered.names)],
            ["input", f"{one.prepared['width']} x {one.prepared['height']} px, 8-bit grey, {one.prepared['aspect']}"],
            *([name, words.parameter(value)] for name, value in settings.items() if value is not None),
            *_origin(one, settings),
        ]
        yield f"### {one.name}"
        yield table(["", ""], rows)
        yield source(facts, model)


def _origin(one: DataSet, settings: dict[str, Any]) -> Iterator[list[str]]:
    if one.kind.training == "train_cnn":
        begun = origin(
            str(settings.get("architecture")), str(settings.get("weights", "none")), settings.get("weights_sha256")
        )
        yield from (
            [f"began with: {name}", Path(value).name if name == "name" else value] for name, value in begun.items()
        )


def _uses(facts: Facts, learned: list[DataSet]) -> Iterator[str]:
    yield "## Intended use"
    yield "Research on fetal ultrasound images. " + " ".join(
        f"The model of {one.name} {words.purpose(one)}." for one in learned
    )
    yield "## Uses that are out of scope"
    yield "\n".join(f"- {limit}" for limit in words.limits(facts))


def _factors(facts: Facts) -> Iterator[str]:
    yield "## Factors"
    for one in facts.data_sets:
        for by in ("scanner", "site"):
            groups = [group.name for group in one.groups.get(by, [])]
            if groups and groups != [NOT_STATED]:
                yield f"{one.name}: measured by {by}: {', '.join(_cell(name) for name in groups)}."
            elif groups:
                yield f"{one.name}: the snapshot does not state the {by}, so nothing is known by {by}."
        weakest = words.worst_group(one)
        if weakest:
            yield f"{one.name}: {_cell(weakest)}"
    yield "Age of the pregnancy, operator and population are not in the data, so nothing was measured by them."


def _measures(facts: Facts, learned: list[DataSet]) -> Iterator[str]:
    yield "## Metrics"
    names = dict.fromkeys(score.name for one in facts.data_sets for score in one.overall)
    yield table(
        ["score", "what it says"],
        [
            [
                words.meaning(name).label,
                words.meaning(name).says + ("; lower is better" if words.meaning(name).lower_is_better else ""),
            ]
            for name in names
        ],
    )
    primary = ", ".join(f"{words.meaning(one.kind.primary).label} ({one.name})" for one in learned)
    yield f"One score decides: {primary}. Intervals are 95 %, by bootstrap over patients."


def _data(facts: Facts) -> Iterator[str]:
    yield "## Data"
    for one in facts.data_sets:
        found = one.gathered
        snapshot, data = found.snapshot, found.data
        yield f"### {one.name}: {words.role(one)}"
        rows = [
            ["source", f"{snapshot['source']} {snapshot['version']}".strip()],
            ["licence", snapshot["licence"] or ("none: drawn by the project" if one.is_drawn else "not stated")],
            ["fingerprint", snapshot["fingerprint"]],
            ["rows", f"{data['rows']}: {data['accepted']} used, {data['quarantined']} in quarantine"],
            ["patients", str(data["patients"])],
            *([f"labels reviewed: {review}", outcome] for review, outcome in snapshot.get("corrections", {}).items()),
            *([f"quarantine: {reason}", str(count)] for reason, count in data["quarantined_by_reason"].items()),
        ]
        yield table(["", ""], rows)
        yield table(
            ["class", *SIDES],
            [[name, *(str(counts.get(side, 0)) for side in SIDES)] for name, counts in by_class(one).items()],
        )
        yield source(facts, *(f"reports/{one.name}/{name}.json" for name in ("snapshot", "data", "split")))


def by_class(one: DataSet) -> dict[str, dict[str, int]]:
    """Return class -> side -> images; of structures, images that show it."""
    found: dict[str, dict[str, int]] = {}
    for count in one.gathered.counts:
        if count.by == "class":
            found.setdefault(count.group, {})[count.side] = count.images
    return found


def _scores(facts: Facts) -> Iterator[str]:
    yield "## Quantitative analyses"
    for one in facts.data_sets:
        tested = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in one.tested.items())
        yield f"### {one.name}, on {tested}"
        if one.overall:
            yield table(["score", "value", "95 % interval"], [_row(score) for score in one.overall])
        if one.classes:
            columns = [words.meaning(score.name).label for score in one.classes[0].scores]
            yield table(
                ["class", "n", *columns],
                [[group.name, str(group.n), *map(with_interval, group.scores)] for group in one.classes],
            )
        for by, groups in one.groups.items():
            if [group.name for group in groups] != [NOT_STATED]:
                yield _by_group(by, groups)
        if one.folds:
            rows = [_row(score) for score in one.folds.overall]
            yield (
                f"Over all folds, each image judged by nets that did not see its patient ({one.folds.images} images of "
                f"{one.folds.patients} patients):"
            )
            yield table(["score", "value", "95 % interval"], rows)
        if one.localisation:
            columns = [words.meaning(score.name).label for score in one.localisation[0].scores]
            yield "How tight the boxes are; distances of their centres in px of the images as they were pulled:"
            yield table(
                ["structure", "boxes", *columns],
                [[group.name, str(group.n), *map(with_interval, group.scores)] for group in one.localisation],
            )
        if one.changes:
            columns = [words.meaning(score.name).label for score in one.changes[0].scores]
            yield "On changed images (docs/robustness.md):"
            yield table(
                ["change", *columns], [[group.name, *map(with_interval, group.scores)] for group in one.changes]
            )
        yield source(
            facts,
            *(
                f"metrics/{one.name}{ending}.json"
                for ending in ("_detail", "_groups", "_folds_detail", "_localisation", "_robustness")
            ),
        )


def _by_group(by: str, groups: list[Group]) -> str:
    rows = [[group.name, str(group.n), str(group.patients), *_row(group.scores[0])[1:]] for group in groups]
    return table([by, "images", "patients", words.meaning(groups[0].scores[0].name).label, "95 % interval"], rows)


def _row(score: Score) -> list[str]:
    return [words.meaning(score.name).label, words.figure(score.value, score.name), words.interval(score)]


def with_interval(score: Score) -> str:
    """Write a score with its interval."""
    return f"{words.figure(score.value, score.name)} ({words.interval(score)})"


def _ethics(facts: Facts) -> Iterator[str]:
    yield "## Ethical considerations"
    withdrawn = sum(one.gathered.snapshot["withdrawn"] for one in facts.data_sets)
    yield (
        f"Images are of patients, unless drawn. {withdrawn} images of withdrawn patients were left out. No patient is "
        "in more than one split. A model can have memorised images that it was trained on: hand it on only to those "
        "who may see them."
    )
    yield "## Caveats"
    yield (
        f"Pictures of the errors are in `{PAGE}`, which holds patients' images and is not part of this card. "
        "`sonotrace lineage FILE` leads from a model to its data; `sonotrace verify` holds every byte to its record."
    )


def source(facts: Facts, *paths: str) -> str:
    """Name the files that numbers are from, of those that are there, with their hashes as in `dvc.lock`."""
    known = [facts.by_path[path] for path in paths if path in facts.by_path]
    return "From " + ", ".join(f"`{file.path}` (md5 {file.md5})" for file in known)
