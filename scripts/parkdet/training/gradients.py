"""The gradients of a batch, made in as many parts as it takes to fit into memory."""

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
    """Adds a batch's gradients to those that wait for their step.

    Where memory runs out, the batch is cut into twice as many parts and begun again, and so are
    all batches after it; the gradients are those of the whole batch but for batch norm, whose
    statistics are each part's. Ranks of several cannot begin a batch again alone, so they do not.

    Args:
        network: the model, or its distributed wrapper.
        loss: as :func:`parkdet.detector.loss.build_loss` makes it.
    """

    def __init__(self, job: Job, state: TrainingState, network: nn.Module, loss: Loss) -> None:
        self._job, self._state, self._network, self._loss = job, state, network, loss
        self._kind = input_type(job.precision)
        if state.parts > 1:
            log.info("memory ran out before: batches are trained in %d parts", state.parts)

    def add(self, batch: Batch, own: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Trains on a batch up to its gradients.

        Args:
            own: images that count; see :func:`parkdet.training.ranks.share_of_loss`.

        Returns:
            Detached: the loss times the images, shape (1,); box, obj and cls loss, shape (3,). Of
            a batch in parts they are the parts' means by images.
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
            # Not within the handler: the error holds on to the tensors.
            self._split_further()

    def _split_further(self) -> None:
        free_memory(self._job.device)
        self._state.parts *= 2
        log.warning(
            "memory ran out: from here on each batch is trained in %d parts, whose gradients are "
            "summed (batch norm sees one part at a time); optimizer steps and schedule stay",
            self._state.parts,
        )

    def add_whole(self, batch: Batch, own: int) -> tuple[torch.Tensor, torch.Tensor]:
        """As :meth:`add`, in one part; fails where that does not fit."""
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
                _as_of_whole(gradient, some / max(all_, 1) / share)
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
    """Cuts a batch into parts that differ by one image at most."""
    start = 0
    for images in batch.images.tensor_split(parts):
        places = batch.targets[:, 0]
        targets = batch.targets[(places >= start) & (places < start + len(images))].clone()
        targets[:, 0] -= start
        yield Batch(images, targets)
        start += len(images)


def _as_of_whole(gradient: torch.Tensor, factor: float) -> None:
    """Turns the gradient of a part's loss at a layer's outputs into that of the whole batch's.

    The loss is its mean times the images. For obj it is a mean over cells, of which each image has
    as many, so parts add up. For box and cls it is a mean over the matches in the layer, of which
    a part has another share than of the images.

    Args:
        gradient: shape (n, anchors, rows, columns, 5 + classes).
        factor: the part's share of the matches by its share of the images.
    """
    gradient[..., :4] *= factor
    gradient[..., 5:] *= factor


@contextmanager
def kept_apart(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Adds the gradients made within the block to those from before, or none if it fails.

    The sum is the same to the bit as if they were added at once. While gradients wait, this takes
    memory for them a second time.
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
