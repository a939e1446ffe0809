"""Threads that detect at the same time, each on its own images."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch


def start_streams(count: int) -> ThreadPoolExecutor:
    """A pool of ``count`` threads that divide up the compute threads that torch uses in this one.

    One image per core wastes less time than all cores on one image, where they wait for each other
    after every layer.
    """
    total = torch.get_num_threads()
    all_there = threading.Barrier(count)

    def take_share() -> None:
        torch.get_num_threads()  # a thread's first call resets its number, so call before setting
        torch.set_num_threads(max(total // count, 1))
        all_there.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix="detect")
    for started in [pool.submit(take_share) for _ in range(count)]:
        started.result()
    torch.set_num_threads(total)  # setting it in a thread also sets what later threads start with
    return pool
