"""Everything that changes during a training, in one object that can be saved and restored."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from parkdet.training.ema import MovingAverage


@dataclass
class Best:
    """The validated epoch with the highest fitness; among equals, the latest.

    Attributes:
        epoch: epochs done by then; 0: nothing has been validated yet.
        weights: its averaged weights, fp16 on the CPU.
    """

    epoch: int = 0
    fitness: float = 0.0
    weights: dict[str, torch.Tensor] = field(default_factory=dict)


@dataclass
class TrainingState:
    """Model, average, optimizer and counters; the data and the schedule are functions of these.

    Attributes:
        epoch: epochs done.
        batch: batches done in the current epoch; all of them: its validation is due.
        last_step: iteration of the last optimizer step; iterations count batches over all epochs.
        mean_losses: running means of box, obj and cls loss in this epoch, shape (3,).
        seconds: wall-clock time of all that is in this state, over all attempts.
        parts: parts that a batch is split into so that it fits into memory.
        epochs: epochs to train: those asked for, or as many as fit into the time budget.
        decided_after: epoch after which the time budget decided that number; 0: it has not.
        stopped: ended before the last epoch because the fitness stopped improving.
        history: one row of figures for each epoch done.
    """

    model: nn.Module
    average: MovingAverage
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    mean_losses: torch.Tensor
    epochs: int
    decided_after: int = 0
    parts: int = 1
    epoch: int = 0
    batch: int = 0
    last_step: int = -1
    seconds: float = 0.0
    best: Best = field(default_factory=Best)
    stopped: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return self.stopped or self.epoch >= self.epochs

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values that :meth:`load_state_dict` restores."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "updates": self.average.updates,
            "optimizer": self.optimizer.state_dict(),
            "gradients": self._gradients(),
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "mean_losses": self.mean_losses,
            "parts": self.parts,
            "epochs": self.epochs,
            "decided_after": self.decided_after,
            "epoch": self.epoch,
            "batch": self.batch,
            "last_step": self.last_step,
            "seconds": self.seconds,
            "best": vars(self.best),
            "stopped": self.stopped,
            "history": self.history,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restores what :meth:`state_dict` returned, into a state built from the same settings."""
        self.model.load_state_dict(saved["model"])
        self.average.model.load_state_dict(saved["average"])
        self.average.updates = saved["updates"]
        self.optimizer.load_state_dict(saved["optimizer"])
        for name, parameter in self.model.named_parameters():
            gradient = saved["gradients"].get(name)
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
        self.scaler.load_state_dict(saved["scaler"])
        torch.set_rng_state(saved["random"])
        self.mean_losses.copy_(saved["mean_losses"])
        self.parts = saved["parts"]
        self.epochs, self.decided_after = saved["epochs"], saved["decided_after"]
        self.epoch, self.batch = saved["epoch"], saved["batch"]
        self.last_step, self.seconds = saved["last_step"], saved["seconds"]
        self.best = Best(**saved["best"])
        self.stopped = saved["stopped"]
        self.history = saved["history"]

    def _gradients(self) -> dict[str, torch.Tensor]:
        """Gradients accumulated since the last step; none right after one."""
        return {
            name: parameter.grad
            for name, parameter in self.model.named_parameters()
            if parameter.grad is not None
        }
