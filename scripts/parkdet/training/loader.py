"""The processes that make batches."""

import cv2
import torch
from torch.utils.data import DataLoader

from parkdet.data.samplers import EpochBatches
from parkdet.data.training_set import TrainingSet, collate
from parkdet.training.signals import ignore_in_worker

PREFETCH = 2  # batches a process makes ahead


def build_loader(
    dataset: TrainingSet, batches: EpochBatches, workers: int, device: torch.device
) -> DataLoader:
    """A loader whose batches depend neither on the number of processes nor on their timing."""
    parallel = {}
    if workers:
        # Here, not in the forked processes: to end OpenCV's threads, which these have not, they
        # would wait for ever.
        cv2.setNumThreads(1)
        # fork: the processes share the image cache's memory.
        parallel = {
            "persistent_workers": True,
            "prefetch_factor": PREFETCH,
            "multiprocessing_context": "fork",
            "worker_init_fn": ignore_in_worker,
        }
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # keeps the loader off the global generator
        **parallel,
    )


def close_loader(loader: DataLoader) -> None:
    """Ends the loading processes, which ignore the signals that would otherwise end them.

    One that hangs (a file server is away) is killed, lest it keep this process from ending.
    """
    iterator = loader._iterator  # None until the first epoch, and without processes
    if iterator is not None:
        iterator._shutdown_workers()
        for worker in getattr(iterator, "_workers", ()):
            worker.kill()
