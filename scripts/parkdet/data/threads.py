"""Many file operations: in threads if that saves time, one after another if it costs time."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

from parkdet.progress import track

T = TypeVar("T")
R = TypeVar("R")

THREADS = 8
ITEMS_A_TASK = 64  # handing out a single small file would cost more than processing it
TASKS_A_TRIAL = 32  # done in threads before measuring again whether they pay
SLOW = 0.0003  # seconds per item


def map_in_threads(function: Callable[[T], R], items: Sequence[T], label: str) -> Iterator[R]:
    """``map(function, items)``, with results in order and progress under ``label``.

    Threads hide the time that a disk, a network, a decoder or a hash takes. But a small file in
    memory takes less time than passing Python's lock between threads, which then makes the whole
    two to four times as slow (measured on 2 cores). So now and then some items are timed without
    threads, and those that follow go to threads only if these were slow.
    """
    tasks = [items[start : start + ITEMS_A_TASK] for start in range(0, len(items), ITEMS_A_TASK)]
    results = _run(lambda task: [function(item) for item in task], tasks)
    return chain.from_iterable(track(results, len(items), label, "files", size=len))


def _run(work: Callable[[Sequence[T]], list[R]], tasks: Sequence[Sequence[T]]) -> Iterator[list[R]]:
    with ThreadPoolExecutor(THREADS) as pool:
        done = 0
        while done < len(tasks):
            task = tasks[done]
            started = time.perf_counter()
            result = work(task)
            slow = time.perf_counter() - started > SLOW * len(task)
            yield result
            end = done + 1 + (TASKS_A_TRIAL if slow else 0)
            yield from pool.map(work, tasks[done + 1 : end])
            done = end
