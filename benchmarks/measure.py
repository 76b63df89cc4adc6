"""What the benchmarks share: rounds in which the sides take turns, and Markdown tables."""

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def alternate(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Call every side once a round, and return what each returned, round by round.

    Whoever comes first in a round comes last in the next, so that a machine that slows down
    burdens all sides alike.
    """
    values: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        first = turn % len(sides)
        for name in [*list(sides)[first:], *list(sides)[:first]]:
            values[name].append(sides[name]())
            tell(f"round {turn + 1}/{rounds}: {name}: {values[name][-1]:.4g}")
    return values


def timed(work: Callable[[], object]) -> float:
    """Return the wall time of `work`, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(values: Sequence[float], reference: Sequence[float]) -> str:
    """Write the ratios of each round, values to reference, as median (min to max)."""
    return spread([value / other for value, other in zip(values, reference, strict=True)], 2)


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Write values as median (min to max)."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table and an empty line."""
    for row in (columns, ["---"] * len(columns), *rows):
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def tell(text: str) -> None:
    """Print one line of progress, on standard error."""
    print(text, file=sys.stderr, flush=True)
