"""Print a comparison as tables in a terminal."""

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from sonotrace.compare import words
from sonotrace.compare.comparison import Comparison


def show(comparison: Comparison) -> None:
    """Print a comparison."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(words.heading(comparison))
    for section in words.sections(comparison):
        console.print()
        console.print(section.title, style="bold")
        for number, sentence in enumerate(section.sentences):
            console.print(sentence, style="red" if number < section.alarms else "")
        for table in section.tables:
            console.print(_table(table))
    for note in words.notes(comparison):
        console.print(f"note: {note}")


def _table(part: words.Table) -> Table:
    table = Table(title=part.title, title_justify="left", title_style="italic", box=SIMPLE, pad_edge=False)
    for number, name in enumerate(part.columns):
        table.add_column(name, justify="left" if number < part.texts else "right", overflow="fold")
    for row in part.rows:
        table.add_row(*row)
    return table
