"""Print the metric files as tables that a person reads."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sonotrace.errors import SonotraceError
from sonotrace.params import load
from sonotrace.places import METRICS
from sonotrace.scores.groups import worst_in_words


def show() -> None:
    """Print, for each data set, every score with its 95 % interval, overall and by class, and the worst group.

    Of a data set with folds, also the scores over all folds together and their spread.
    """
    console = Console(soft_wrap=True)
    params = load()
    for data_set in params.data_sets:
        path = METRICS / f"{data_set}_detail.json"
        console.print(_table(data_set, "test ", _read(path)))
        if data_set in params.evaluate:
            console.print(
                f"{data_set}: {worst_in_words(_read(METRICS / f'{data_set}_groups.json'))}\n", highlight=False
            )
        if data_set in params.folds.all_data_sets:
            detail = _read(METRICS / f"{data_set}_folds_detail.json")
            console.print(_table(f"{data_set}, out of fold", "", detail))
            for key in (key for key in detail if key.endswith(("_by_fold", "_by_seed"))):
                spread = ", ".join(f"{name}: {_figure(value)}" for name, value in detail[key].items())
                console.print(f"{data_set}: {key.replace('_', ' ')}: {spread}", highlight=False)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SonotraceError(f"{path}: not there; run `dvc repro` to make it") from None
    return content


def _table(what: str, side: str, detail: dict[str, Any]) -> Table:
    counts = [f"{detail[key]} {side}{key.removeprefix('n_')}" for key in detail if key.startswith("n_")]
    title = f"{what}: {', '.join(counts)}; value [{detail['interval']}]"
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("", "n", "score", "value", "low", "high"):
        table.add_column(column, justify="left" if column in ("", "score") else "right")
    groups = {
        "overall": detail["overall"],
        **next((part for key, part in detail.items() if key.startswith("per_")), {}),
    }
    for name, scores in groups.items():
        shown, n = name, str(scores.get("n", ""))
        for score, figure in scores.items():
            if score == "n":
                continue
            table.add_row(shown, n, score, *(_figure(figure[part]) for part in ("value", "low", "high")))
            shown = n = ""
        table.add_section()
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
