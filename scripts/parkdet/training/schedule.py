"""Learning rate, momentum and accumulation at each iteration, as yolov5 sets them."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from parkdet.hyperparameters import Hyperparameters
from parkdet.training.optimizer import GROUPS, batches_a_step

LEAST_WARMUP = 100  # iterations


@dataclass(frozen=True)
class Schedule:
    """What changes from iteration to iteration: a pure function of iteration and epoch.

    An iteration is a batch, counted from 0 over all epochs.

    Attributes:
        batches: batches per epoch.
        shape: ``linear`` or ``cosine``.
        bias_group: the group whose warm-up starts at warmup_bias_lr; the others start at 0.
    """

    hyp: Hyperparameters
    epochs: int
    batches: int
    batch_size: int
    nominal_batch: int
    shape: str
    bias_group: str

    @property
    def warmup(self) -> int:
        """Iterations of the warm-up."""
        return max(round(self.hyp.warmup_epochs * self.batches), LEAST_WARMUP)

    def factor(self, epoch: int) -> float:
        """Learning rate of an epoch as a share of lr0: from 1 to lrf."""
        if self.shape == "cosine":
            return (1 - math.cos(epoch * math.pi / self.epochs)) / 2 * (self.hyp.lrf - 1) + 1
        return (1 - epoch / self.epochs) * (1.0 - self.hyp.lrf) + self.hyp.lrf

    def rate(self, group: str, iteration: int, epoch: int) -> float:
        """Learning rate of a parameter group."""
        target = self.hyp.lr0 * self.factor(epoch)
        if iteration > self.warmup:
            return target
        start = self.hyp.warmup_bias_lr if group == self.bias_group else 0.0
        return float(np.interp(iteration, [0, self.warmup], [start, target]))

    def momentum(self, iteration: int) -> float:
        """Momentum of SGD."""
        ends = [self.hyp.warmup_momentum, self.hyp.momentum]
        return float(np.interp(iteration, [0, self.warmup], ends))

    def accumulation(self, iteration: int) -> int:
        """Iterations from one optimizer step to the next."""
        if iteration > self.warmup:
            return batches_a_step(self.batch_size, self.nominal_batch)
        ends = [1, self.nominal_batch / self.batch_size]
        return max(1, int(np.interp(iteration, [0, self.warmup], ends).round()))

    def apply(self, optimizer: torch.optim.Optimizer, iteration: int, epoch: int) -> None:
        """Sets learning rates and momentum for an iteration."""
        for name, group in zip(GROUPS, optimizer.param_groups, strict=True):
            group["lr"] = self.rate(name, iteration, epoch)
            if "momentum" in group:
                group["momentum"] = self.momentum(iteration)
