"""Work on many items at once, in bounded memory, with results in the order of the items."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """Count the cores this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0))


def in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order, computed by `workers` threads.

    Threads suffice because OpenCV and hashlib release the interpreter lock. At most four items a
    worker are under way or waiting to be taken, so memory does not grow with the number of items.
    """
    workers = workers or available_cores()
    queue: deque[Future[Result]] = deque()
    remaining = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        try:
            queue.extend(pool.submit(function, item) for item in islice(remaining, 4 * workers))
            while queue:
                result = queue.popleft().result()
                queue.extend(pool.submit(function, item) for item in islice(remaining, 1))
                yield result
        finally:
            for future in queue:
                future.cancel()
