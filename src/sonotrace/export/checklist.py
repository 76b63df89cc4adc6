"""CLAIM 2024 and TRIPOD+AI as Markdown: what the pipeline can answer with numbers and files, the rest left open."""

from collections.abc import Callable, Iterator
from pathlib import Path

from sonotrace.export.card import recorded, table
from sonotrace.export.checklists import data, models
from sonotrace.export.checklists.answer import Answer
from sonotrace.export.checklists.items import CLAIM, TRIPOD, Item
from sonotrace.export.record import Record
from sonotrace.report.facts import Facts
from sonotrace.running.outputs import write_bytes

INTRODUCTION = """\
Filled in by sonotrace from commit `{}`, as far as a pipeline can. The items are in our words: the guidelines' own
wording counts. Read every answer before you hand it in."""


def write(top: Path, out: Path) -> None:
    """Write the checklists of the run checked out in `top`, which is the working directory, to the new file `out`.

    Raises SonotraceError where the workspace is not as recorded or `out` is there already.
    """
    run, facts = recorded(top, out)
    write_bytes(document(run, facts).encode(), out)


def document(run: Record, facts: Facts) -> str:
    """Return both checklists."""
    answers = {name: [*make(run, facts)] for name, make in ANSWERS.items()}
    parts = [
        "# Reporting checklists",
        INTRODUCTION.format(run.commit.id),
        *_checklist("CLAIM 2024", CLAIM, answers),
        *_checklist("TRIPOD+AI", TRIPOD, answers),
    ]
    return "\n\n".join(parts) + "\n"


def _checklist(title: str, items: tuple[Item, ...], answers: dict[str, list[Answer]]) -> Iterator[str]:
    filled = [(item, [answer for name in item.answers for answer in answers[name]]) for item in items]
    answered = [(item, found) for item, found in filled if found]
    left = [item for item, found in filled if not found]
    complete = sum(not item.missing for item, _ in answered)
    yield f"## {title}"
    yield (
        f"{len(items)} items: {complete} filled in, {len(answered) - complete} filled in in part, "
        f"{len(left)} for the author."
    )
    yield "### Filled in"
    yield table(["item", "asks for", "answer", "from", "author adds"], [_row(item, found) for item, found in answered])
    yield "### For the author to write"
    yield "\n".join(f"- [ ] **{item.number}** {item.asks}" for item in left)


def _row(item: Item, found: list[Answer]) -> list[str]:
    files = dict.fromkeys(file for answer in found for file in answer.files)
    text = " ".join(answer.text for answer in found)
    return [item.number, item.asks, text, ", ".join(f"`{file}`" for file in files), item.missing]


ANSWERS: dict[str, Callable[[Record, Facts], Iterator[Answer]]] = {
    "method": models.method,
    "purpose": models.purpose,
    "sources": data.sources,
    "exclusions": data.exclusions,
    "preparation": data.preparation,
    "privacy": data.privacy,
    "missing": data.missing,
    "scanners": lambda _, facts: data.grouped(facts, "scanner"),
    "sites": lambda _, facts: data.grouped(facts, "site"),
    "labels": data.labels,
    "split": data.split,
    "apart": data.apart,
    "tested": models.tested,
    "model": models.model,
    "input": models.the_image,
    "software": models.software,
    "beginning": models.beginning,
    "training": models.training,
    "choice": models.choice,
    "ensemble": models.ensemble,
    "metrics": models.metrics,
    "intervals": models.intervals,
    "robustness": models.robustness,
    "explanation": models.explanation,
    "external": models.external,
    "groups": data.groups,
    "results": models.results,
    "by_class": models.class_results,
    "by_group": models.by_group,
    "failures": models.failures,
    "limits": models.limits,
    "code": models.code,
    "plots": models.plots,
    "calibration": models.calibration,
    "imbalance": data.imbalance,
    "output": models.output,
    "refusal": models.refusal,
}
"""Name of an answer, as items ask for it -> what makes it."""
