"""Many small file operations at a time: threads hide the time that a disk or a network takes."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

from parkdet.progress import track

T = TypeVar("T")
R = TypeVar("R")

THREADS = 8
ITEMS_A_TASK = 64  # a task of one small file would cost more to hand out than to do


def map_in_threads(function: Callable[[T], R], items: Sequence[T], label: str) -> Iterator[R]:
    """``map(function, items)`` in threads; results come in order, progress under ``label``."""
    tasks = [items[start : start + ITEMS_A_TASK] for start in range(0, len(items), ITEMS_A_TASK)]
    with ThreadPoolExecutor(THREADS) as pool:
        results = pool.map(lambda task: [function(item) for item in task], tasks)
        shown = track(results, len(tasks), label, unit=f"{ITEMS_A_TASK} images")
        yield from chain.from_iterable(shown)
