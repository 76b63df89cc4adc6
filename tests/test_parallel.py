"""Many items at once, in order, with a bounded look-ahead."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.parallel import available_cores, in_order


@given(st.lists(st.integers(), max_size=40), st.integers(1, 4), st.integers(1, 9))
def test_results_come_in_the_order_of_the_items(items, workers, batch):
    def slow_at_first(pair):
        time.sleep(0.0005 * (pair[0] % 3 == 0))
        return pair[1] * 2

    assert list(in_order(slow_at_first, enumerate(items), workers, batch)) == [item * 2 for item in items]


@pytest.mark.parametrize(("workers", "batch"), [(1, 1), (3, 1), (2, 5)])
def test_at_most_four_batches_a_worker_are_taken_ahead(workers, batch):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    for yielded, _ in enumerate(in_order(lambda item: item, items(), workers, batch), start=1):
        assert len(taken) < yielded + (4 * workers + 1) * batch
    assert len(taken) == 100


def test_as_many_items_are_under_way_as_there_are_workers():
    together = threading.Barrier(3, timeout=10)
    assert len(list(in_order(lambda _: together.wait(), range(6), 3))) == 6


def test_the_error_of_an_item_is_raised_in_its_turn():
    def fail_at_three(item):
        if item == 3:
            raise ValueError("third")
        return item

    results = in_order(fail_at_three, range(10), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="third"):
        next(results)


def test_what_nobody_waits_for_is_not_started():
    go = threading.Event()
    started = []

    def hold(item):
        started.append(item)
        assert item == 0 or go.wait(10)

    results = in_order(hold, range(100), 1)
    next(results)
    threading.Timer(0.2, go.set).start()
    results.close()
    assert len(started) <= 2


def test_there_is_a_core_at_least():
    assert available_cores() >= 1
