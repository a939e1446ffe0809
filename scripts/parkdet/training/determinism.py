"""Arithmetic that gives the same bits every time, or the fastest there is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def arithmetic(threads: int | None, deterministic: bool) -> Iterator[None]:
    """Sets the number of threads and the kind of algorithms for the duration of the block.

    Without ``deterministic``, a GPU tries out which algorithms are fastest and may sum in a
    different order each time. The block must be entered before a GPU is first used.

    Args:
        threads: for the model on a CPU; None: as many as now.
    """
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    torch.set_num_threads(threads or before[0])
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = (
        deterministic,
        not deterministic,
    )
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        torch.utils.deterministic.fill_uninitialized_memory = fill
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
