"""Threads that compute at the same time, each on its own images."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch


def start_streams(count: int) -> ThreadPoolExecutor:
    """A pool of ``count`` threads that share the threads which torch computes with in this one.

    One image on one core wastes less time than all cores on one image, which wait for each other
    after every layer.
    """
    total = torch.get_num_threads()
    all_there = threading.Barrier(count)

    def take_share() -> None:
        torch.get_num_threads()  # the first call takes over the number that is set below
        torch.set_num_threads(max(total // count, 1))
        all_there.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix="detect")
    for started in [pool.submit(take_share) for _ in range(count)]:
        started.result()
    torch.set_num_threads(total)  # setting it in a thread also sets what later threads begin with
    return pool
