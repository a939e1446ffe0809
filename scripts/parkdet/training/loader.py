"""The batch loader and its worker processes."""

import cv2
import torch
from torch.utils.data import DataLoader

from parkdet.data.samplers import EpochBatches
from parkdet.data.training_set import TrainingSet, collate
from parkdet.training.signals import ignore_in_worker

PREFETCH = 2  # batches a worker makes ahead


def build_loader(
    dataset: TrainingSet, batches: EpochBatches, workers: int, device: torch.device
) -> DataLoader:
    """A loader whose batches depend neither on the number of workers nor on their timing."""
    parallel = {}
    if workers:
        # Here, not in the forked workers: they would wait forever to end OpenCV's threads, which
        # a fork does not copy.
        cv2.setNumThreads(1)
        # fork: the workers share the image cache's memory.
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
    """Ends the workers, which ignore the signals that would otherwise end them.

    A worker that hangs (on an unreachable file server) is killed, lest it keep this process from
    ending.
    """
    iterator = loader._iterator  # None until the first epoch, and without workers
    if iterator is not None:
        iterator._shutdown_workers()
        for worker in getattr(iterator, "_workers", ()):
            worker.kill()
