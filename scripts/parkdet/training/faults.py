"""Machine faults that a user can do something about, explained in plain words."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed

from parkdet.errors import UserError
from parkdet.memory import is_out_of_memory
from parkdet.training.settings import Settings

# How torch's plain RuntimeErrors begin, or what they contain.
LOST_WORKER = "DataLoader worker"
NO_SHARED_MEMORY = "unable to allocate shared memory"
# What is raised if a loader worker dies while handing over a batch.
BROKEN_PIPE = (ConnectionError, EOFError)


@contextmanager
def machine_faults_explained(settings: Settings) -> Iterator[None]:
    """Says what to change when memory runs out or a loader worker dies within the block.

    Raises:
        UserError: in place of torch's or the system's error.
    """
    try:
        yield
    except (RuntimeError, MemoryError, OSError, EOFError) as error:
        explanation = _explain(error, settings)
        if explanation is None:
            raise
        raise UserError(explanation) from error


def free_memory(device: torch.device) -> None:
    """Frees what nothing refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _explain(error: Exception, settings: Settings) -> str | None:
    said = " ".join(str(error).split()).rstrip(".")
    if NO_SHARED_MEMORY in said:
        return (
            "The shared memory, /dev/shm, through which loader workers hand over images, is full "
            "or too small (a container has 64 MB by default): give it more "
            "(docker/podman run --shm-size 2g), or use fewer workers (--workers, now "
            f"{settings.workers}; 0 needs none), and run again to continue from the last saved "
            "state."
        )
    if said.startswith(LOST_WORKER) or isinstance(error, BROKEN_PIPE):
        return (
            f"A process that loads images was lost ({said or 'its connection ended'}), most often "
            f"because memory ran out: use fewer workers (--workers, now {settings.workers}) or "
            f"keep fewer images in memory (--cache-gb, now {settings.cache_gb:g}), and run again "
            "to continue from the last saved state."
        )
    if isinstance(error, distributed.DistError) or "gloo" in said:
        return (
            f"The connection to another process of this training was lost ({said}). See that "
            "process's messages; the state up to the last save is kept: run the same command again "
            "to continue."
        )
    if is_out_of_memory(error):
        return (
            "Memory ran out in training: lower batch_size (--batch-size, now "
            f"{settings.batch_size}; nominal_batch stays as it is), val_batch_size or imgsz, or "
            f"use fewer workers (--workers, now {settings.workers}). A changed size starts another "
            "training; fewer workers continue this one."
        )
    return None
