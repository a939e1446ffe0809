"""How many epochs a training may have, so that its schedule ends within a limit of hours.

A decision can shorten a training, never lengthen it. It is made between an epoch's last batch and
its validation, and saved before it takes effect.
"""

import logging
from dataclasses import dataclass
from statistics import median

from parkdet.progress import duration
from parkdet.training.state import TrainingState

log = logging.getLogger("parkdet")

RESERVE = 0.03  # share of the budget that a decision leaves unused
EARLY = 0.05  # share of the budget that passes before a warning that the first epoch is too long
FEW = 3  # epochs; if fewer fit, deciding after the second is too late
RECENT = 5  # latest epochs, whose median is the pace


@dataclass(frozen=True)
class Pace:
    """Seconds that the batches of an epoch take, and a validation."""

    epoch: float
    validation: float


class TimeBudget:
    """Decides how many epochs one training gets.

    Args:
        hours: the limit; it counts what :attr:`TrainingState.seconds` counts.
        val_period: epochs between validations; 0: only after the last.
        images: trained on per epoch.
        val_images: 0: there is no validation.
    """

    def __init__(self, hours: float, val_period: int, images: int, val_images: int) -> None:
        self._seconds, self._period = 3600 * hours, val_period
        self._images, self._val_images = images, val_images
        self._warned = False

    def decide(self, state: TrainingState) -> int | None:
        """The new number of epochs; None if it stays as it is and nothing needs saving.

        Called between an epoch's batches and its validation. The first decision is made after the
        second epoch, because the first also fills the image cache; if epochs are so long that few
        fit, it is made after the first.
        """
        done = state.epoch + 1
        if state.decided_after == done or done >= state.epochs:
            return None
        pace = self._pace(state)
        fitting = self._fitting(state, pace)
        if state.decided_after:
            if self._end(state, pace, state.epochs) <= self._seconds:
                return None
            log.warning(
                "training takes longer than expected: %s", self._describe(state, pace, fitting)
            )
        elif done == 1 and fitting >= FEW:
            return None
        else:
            log.info("%s", self._describe(state, pace, fitting))
        if fitting == done:
            self._warn_of_the_end(state)
        return fitting

    def watch(self, state: TrainingState, batches: int) -> None:
        """Warns once, during the first epoch, if not even that epoch fits."""
        if self._warned or state.epoch or state.seconds < EARLY * self._seconds:
            return
        whole = state.seconds * batches / state.batch
        if whole > self._seconds:
            self._warned = True
            log.warning(
                "not even one epoch fits into the time budget of %s: it takes about %s. That epoch "
                "is still trained, then the training ends. For more, raise the budget or "
                "epoch_parts, or lower imgsz.",
                duration(self._seconds),
                duration(whole),
            )

    def _pace(self, state: TrainingState) -> Pace:
        """Taken from the latest epochs; the first counts only while it is the only one."""
        history = state.history
        epochs = [self._images / row["images_per_s"] for row in history]
        epochs.append(state.seconds - sum(row["seconds"] for row in history))
        epoch = median((epochs[1:] or epochs)[-RECENT:])
        validations = [
            row["seconds"] - self._images / row["images_per_s"]
            for row in history
            if "fitness" in row
        ]
        # Until one is measured, a validation is assumed to cost half a training step per image:
        # it has only the forward pass.
        guess = 0.5 * epoch * self._val_images / self._images
        return Pace(epoch, median(validations[-RECENT:] or [guess]))

    def _fitting(self, state: TrainingState, pace: Pace) -> int:
        """The most epochs that end within the budget; at least those already done."""
        done, aim = state.epoch + 1, (1 - RESERVE) * self._seconds
        counts = range(state.epochs, done, -1)
        return next((count for count in counts if self._end(state, pace, count) <= aim), done)

    def _end(self, state: TrainingState, pace: Pace, epochs: int) -> float:
        """Seconds when ``epochs`` epochs will be done, the current one's validation included."""
        done, period = state.epoch + 1, self._period
        validations = 1
        if period:
            validations = epochs // period - (done - 1) // period + (epochs % period > 0)
        rest = (epochs - done) * pace.epoch + validations * pace.validation
        return state.seconds + rest

    def _describe(self, state: TrainingState, pace: Pace, fitting: int) -> str:
        return (
            f"{fitting} of {state.epochs} epochs fit into the time budget of "
            f"{duration(self._seconds)}: {duration(state.seconds)} used so far, an epoch takes "
            f"{duration(pace.epoch)}, a validation {duration(pace.validation)}"
        )

    def _warn_of_the_end(self, state: TrainingState) -> None:
        log.warning(
            "no further epoch fits into the time budget of %s (%s used so far): the training ends "
            "with this one, at the learning rate it has reached",
            duration(self._seconds),
            duration(state.seconds),
        )
