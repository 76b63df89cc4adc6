"""Many items at once, in order, with a bounded look-ahead."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotrace.running import parallel
from sonotrace.running.parallel import available_cores, in_order


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


@pytest.mark.parametrize(("quick", "here"), [(3600.0, 100), (0.0, 1)])
def test_quick_batches_are_computed_by_the_caller_and_others_by_threads(monkeypatch, quick, here):
    monkeypatch.setattr(parallel, "QUICK", quick)
    found = list(in_order(lambda _: threading.get_ident(), range(100), 2, 10))
    assert found.count(threading.get_ident()) == here  # the first tells how quick they are


def test_threads_come_in_where_items_become_slow_and_go_where_they_become_quick(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(parallel, "perf_counter", lambda: now[0])

    def work(item):
        now[0] += 1 if 40 <= item < 50 else 0
        return threading.get_ident()

    found = list(in_order(work, range(300), 1, 10))
    assert set(found[:41]) == {threading.get_ident()}
    assert threading.get_ident() not in found[41:91]  # four batches were under way when they became quick
    assert set(found[91:]) == {threading.get_ident()}


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
