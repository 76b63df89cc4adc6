"""Work on many items at once, in bounded memory, with results in the order of the items."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from time import perf_counter
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """Count the cores this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0))


BATCH = 32
"""Items for `in_order` to hand over at once where one may take less than a tenth of a millisecond."""
QUICK = 0.0005
"""Seconds an item below which a batch is not worth a thread: two that wait for each other take half as much CPU
time again."""


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None, batch: int = 1
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order, computed by `workers` threads, `batch` items at a time.

    Threads suffice because OpenCV and hashlib release the interpreter lock. Batches of items as quick
    as QUICK, which do little else than wait for that lock, are computed here, one after the other. At
    most four batches a worker are under way or waiting to be taken, so memory does not grow with the
    number of items.
    """
    workers = workers or available_cores()
    queue: deque[Future[tuple[list[Result], float]]] = deque()
    batches = _batches(items, batch)

    def do(some: list[Item]) -> tuple[list[Result], float]:
        begun = perf_counter()
        return [function(item) for item in some], (perf_counter() - begun) / len(some)

    with ThreadPoolExecutor(workers) as pool:
        quick = batch > 1
        try:
            while True:
                if not quick:
                    queue.extend(pool.submit(do, some) for some in islice(batches, 4 * workers - len(queue)))
                if queue:
                    results, each = queue.popleft().result()
                elif some := next(batches, []):
                    results, each = do(some)
                else:
                    break
                quick = batch > 1 and each < QUICK
                yield from results
        finally:
            for future in queue:
                future.cancel()


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut items up, the first by itself: it tells how long one takes."""
    remaining = iter(items)
    yield from ([item] for item in islice(remaining, 1))
    while some := list(islice(remaining, size)):
        yield some
