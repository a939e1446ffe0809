"""A batch's gradients, computed in as many parts as it takes to fit into memory."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from parkdet.data.training_set import Batch
from parkdet.detector.loss import Loss, count_matches
from parkdet.detector.precision import autocast, input_type
from parkdet.memory import is_out_of_memory
from parkdet.training import ranks
from parkdet.training.faults import free_memory
from parkdet.training.setup import Job
from parkdet.training.state import TrainingState

log = logging.getLogger("parkdet")


class Gradients:
    """Adds a batch's gradients to those waiting for the next optimizer step.

    If memory runs out, the batch is split into twice as many parts and started over, and later
    batches keep that number. The gradients equal those of the whole batch except for batch norm,
    whose statistics are each part's own. With several ranks, none can restart a batch alone, so
    memory that runs out is an error there.

    Args:
        network: the model, or its distributed wrapper.
        loss: built by :func:`parkdet.detector.loss.build_loss`.
    """

    def __init__(self, job: Job, state: TrainingState, network: nn.Module, loss: Loss) -> None:
        self._job, self._state, self._network, self._loss = job, state, network, loss
        self._kind = input_type(job.precision)
        if state.parts > 1:
            log.info("memory ran out before: batches are trained in %d parts", state.parts)

    def add(self, batch: Batch, own: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Runs a batch forward and backward.

        Args:
            own: images that count; see :func:`parkdet.training.ranks.share_of_loss`.

        Returns:
            Both detached: the loss times the number of images, shape (1,), and the box, obj and
            cls losses, shape (3,). If the batch was split, its parts are weighted by their images.
        """
        if ranks.size() > 1:
            return self.add_whole(batch, own)
        while True:
            try:
                with kept_apart(list(self._state.model.parameters())):
                    parts = min(self._state.parts, len(batch.images))
                    return self.add_whole(batch, own) if parts == 1 else self._add(batch, parts)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self._state.parts >= len(batch.images):
                    raise
            # Not inside the handler: there the exception keeps the tensors alive.
            self._split_further()

    def _split_further(self) -> None:
        free_memory(self._job.device)
        self._state.parts *= 2
        log.warning(
            "memory ran out: from here on each batch is trained in %d parts, whose gradients are "
            "summed (batch norm sees one part at a time); optimizer steps and schedule stay as "
            "they were",
            self._state.parts,
        )

    def add_whole(self, batch: Batch, own: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Like :meth:`add`, but in one part; fails if that does not fit into memory."""
        outputs, targets = self._forward(batch)
        loss, figures = self._loss(outputs, targets)
        self._state.scaler.scale(ranks.share_of_loss(loss, own)).backward()
        return loss.detach(), figures

    def _add(self, batch: Batch, parts: int) -> tuple[torch.Tensor, torch.Tensor]:
        device, images = self._job.device, len(batch.images)
        every_target = batch.targets.to(device, non_blocking=True)
        whole_loss, whole_figures = torch.zeros(1, device=device), torch.zeros(3, device=device)
        for part in split(batch, parts):
            outputs, targets = self._forward(part)
            loss, figures = self._loss(outputs, targets)
            gradients = torch.autograd.grad(self._state.scaler.scale(loss), outputs)
            share = len(part.images) / images
            here = count_matches(self._loss, outputs, targets)
            everywhere = count_matches(self._loss, outputs, every_target)
            for gradient, some, all_ in zip(gradients, here, everywhere, strict=True):
                _rescale_to_whole(gradient, some / max(all_, 1) / share)
            torch.autograd.backward(outputs, gradients)
            whole_loss += loss.detach()
            whole_figures += figures * share
        return whole_loss, whole_figures

    def _forward(self, batch: Batch) -> tuple[list[torch.Tensor], torch.Tensor]:
        device = self._job.device
        images = batch.images.to(device, non_blocking=True).to(self._kind).div_(255)
        targets = batch.targets.to(device, non_blocking=True)
        with autocast(self._job.precision, device):
            outputs = self._network(images)
        return [output.float() for output in outputs], targets


def split(batch: Batch, parts: int) -> Iterator[Batch]:
    """Splits a batch into parts whose sizes differ by at most one image."""
    start = 0
    for images in batch.images.tensor_split(parts):
        places = batch.targets[:, 0]
        targets = batch.targets[(places >= start) & (places < start + len(images))].clone()
        targets[:, 0] -= start
        yield Batch(images, targets)
        start += len(images)


def _rescale_to_whole(gradient: torch.Tensor, factor: float) -> None:
    """Turns the gradient of a part's loss, at a layer's outputs, into that of the whole batch's.

    The loss is a mean times the number of images. For obj the mean is over cells; every image has
    equally many, so the parts add up. For box and cls it is over the matches in the layer, and a
    part's share of the matches is not its share of the images.

    Args:
        gradient: shape (n, anchors, rows, columns, 5 + classes).
        factor: the part's share of the matches divided by its share of the images.
    """
    gradient[..., :4] *= factor
    gradient[..., 5:] *= factor


@contextmanager
def kept_apart(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Adds the gradients computed in the block to the earlier ones, or none of them if it fails.

    The sum is bit-identical to accumulating them directly. If there are earlier gradients, the
    block needs memory for a second set.
    """
    waiting = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    try:
        yield
    except BaseException:
        for parameter, gradient in zip(parameters, waiting, strict=True):
            parameter.grad = gradient
        raise
    sums, made = [], []
    for parameter, gradient in zip(parameters, waiting, strict=True):
        if gradient is None:
            continue
        if parameter.grad is not None:
            sums.append(gradient)
            made.append(parameter.grad)
        parameter.grad = gradient
    if sums:
        torch._foreach_add_(sums, made)
