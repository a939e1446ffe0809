"""The processes (ranks) that share a training; a single process is rank 0 of 1.

Ranks are started by :mod:`parkdet.training.launch` or by torchrun. Every rank has the same
weights, optimizer and counters, because gradients are averaged at each batch; rank 0 alone reads
and writes the state and the outputs.
"""

import datetime
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import distributed, nn

from parkdet.errors import StoppedEarly, UserError
from parkdet.training.signals import StopRequest

T = TypeVar("T")
log = logging.getLogger("parkdet")

PATIENCE = datetime.timedelta(hours=6)  # others wait while rank 0 validates or saves


def size() -> int:
    """Number of ranks on all machines together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """The number of this process among all ranks, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_main() -> bool:
    """Whether this is rank 0, which reads, writes and speaks for all."""
    return rank() == 0


def local_size() -> int:
    """Number of ranks on this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if distributed.is_initialized() else 1


def local_rank() -> int:
    """The number of this process among the ranks on this machine, from 0."""
    return int(os.environ["LOCAL_RANK"]) if distributed.is_initialized() else 0


@contextmanager
def joined() -> Iterator[None]:
    """Joins the other ranks for the duration of the block; all but rank 0 log only warnings.

    In a process that was not started as a rank it does nothing.
    """
    if not distributed.is_torchelastic_launched():
        yield
        return
    # CPU tensors go through gloo even on a machine with GPUs, and so does what ranks agree on.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    if not is_main():
        log.setLevel(logging.WARNING)
    try:
        yield
    except StoppedEarly:
        distributed.destroy_process_group()
        raise
    # Not after a fault: it may wait for a dead rank.
    distributed.destroy_process_group()


def wrapped(model: nn.Module, device: torch.device, sync_bn: bool) -> nn.Module:
    """``model`` wrapped so that gradients are averaged over the ranks; unchanged if there is one.

    Args:
        sync_bn: batch norms take their statistics over all ranks; ``model`` is changed in place.

    Raises:
        UserError: ``sync_bn`` without several processes on GPUs.
    """
    if sync_bn and (size() == 1 or device.type == "cpu"):
        raise UserError(
            "--sync-bn (training.sync_bn) is for several processes on GPUs, such as --device "
            f"cuda:0,1; here there {'is' if size() == 1 else 'are'} {size()} on {device.type}."
        )
    if size() == 1:
        return model
    if sync_bn:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)
    # Without `find_unused_parameters` gradients are regrouped after a process's first batch, and
    # with three or more ranks the sums depend on the grouping: a resumed run would differ.
    options = {"find_unused_parameters": True}
    if device.type == "cuda":
        torch.cuda.set_device(device)
        options["device_ids"] = [device]
    return nn.parallel.DistributedDataParallel(model, **options)


def share_of_loss(loss: torch.Tensor, own: int) -> torch.Tensor:
    """What a rank differentiates so that the gradients' mean over ranks is the summed loss's.

    Args:
        loss: the mean over this rank's images times their number, as in yolov5.
        own: how many of its images count; 0: its share is empty, and it only takes part.
    """
    if size() == 1:
        return loss
    return loss * (size() if own else 0)


def whole_loss(
    loss: torch.Tensor, parts: torch.Tensor, own: int, whole: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The whole batch's detached loss and its parts, from those of each rank's share.

    Args:
        loss: shape (1,), a sum over images.
        parts: shape (3,), means over images.
        own: images of this rank that count.
        whole: images of all ranks.
    """
    if size() == 1:
        return loss, parts
    sums = torch.cat((loss, parts)) if own else torch.zeros(4, device=loss.device)
    sums[1:] *= own
    distributed.all_reduce(sums)
    return sums[:1], sums[1:] / whole


def agree_to_stop(stop: StopRequest) -> bool:
    """Whether any rank was asked to stop; if so, all ranks count as asked from now on."""
    if size() > 1:
        number = torch.tensor(stop.signal or 0)
        distributed.all_reduce(number, distributed.ReduceOp.MAX)
        if number:
            stop.heed(int(number))
    return bool(stop)


def by_main(work: Callable[[], T]) -> T:
    """Runs ``work`` in rank 0 alone and gives every rank what it returned.

    Raises:
        StoppedEarly: it was stopped; raised in every rank.
    """
    result, stopped = None, None
    if is_main():
        try:
            result = work()
        except StoppedEarly as error:
            stopped = str(error)
    result, stopped = from_main((result, stopped))
    if stopped is not None:
        raise StoppedEarly(stopped)
    return result


def from_main(value: T) -> T:
    """Rank 0's ``value``, in every rank; what others pass is ignored. It must be picklable."""
    if size() == 1:
        return value
    values = [value if is_main() else None]
    distributed.broadcast_object_list(values)
    return values[0]
