import threading
from itertools import count

import pytest

from parkdet.data import threads
from parkdet.data.threads import ITEMS_A_TASK, TASKS_A_TRIAL, map_in_threads


def slow_clock(monkeypatch, seconds):
    """Makes every task seem to take ``seconds``."""
    ticks = count()
    monkeypatch.setattr(threads.time, "perf_counter", lambda: seconds * next(ticks))


@pytest.mark.parametrize("items", [0, 1, ITEMS_A_TASK, 3 * ITEMS_A_TASK + 1])
@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_results_come_in_order(monkeypatch, items, seconds):
    slow_clock(monkeypatch, seconds)
    assert list(map_in_threads(lambda item: -item, range(items), "")) == [-i for i in range(items)]


def test_quick_items_stay_in_the_caller_s_thread(monkeypatch):
    slow_clock(monkeypatch, 0.0)
    found = map_in_threads(lambda _: threading.get_ident(), range(1000), "")
    assert set(found) == {threading.get_ident()}


def test_slow_items_go_to_threads_and_are_measured_again(monkeypatch):
    slow_clock(monkeypatch, 1.0)
    own = threading.get_ident()
    items = range(ITEMS_A_TASK * (2 * TASKS_A_TRIAL + 2))
    tasks = list(map_in_threads(lambda _: threading.get_ident() == own, items, ""))[::ITEMS_A_TASK]
    assert [number for number, mine in enumerate(tasks) if mine] == [0, TASKS_A_TRIAL + 1]


def test_an_error_reaches_the_caller(monkeypatch):
    slow_clock(monkeypatch, 1.0)
    with pytest.raises(ZeroDivisionError):
        list(map_in_threads(lambda item: 1 // (200 - item), range(1000), ""))
