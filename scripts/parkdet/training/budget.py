"""How many epochs a training may have, so that its schedule ends inside a limit of hours.

A decision shortens and never lengthens. It is taken between the batches of an epoch and its
validation, and saved before it takes effect.
"""

import logging
from dataclasses import dataclass
from statistics import median

from parkdet.progress import duration
from parkdet.training.state import TrainingState

log = logging.getLogger("parkdet")

RESERVE = 0.03  # share of the budget that a decision leaves over
EARLY = 0.05  # share of the budget after which a first epoch that is too long is warned about
FEW = 3  # epochs: where fewer fit, the second is too late to decide
RECENT = 5  # epochs whose median is the pace


@dataclass(frozen=True)
class Pace:
    """Seconds that parts of a training take: the batches of an epoch, and a validation."""

    epoch: float
    validation: float


class TimeBudget:
    """The decisions of one training.

    Args:
        hours: the limit; it counts what :attr:`TrainingState.seconds` counts.
        val_period: epochs between validations; 0: only after the last.
        pictures: trained on in an epoch.
        val_images: 0: there is no validation.
    """

    def __init__(self, hours: float, val_period: int, pictures: int, val_images: int) -> None:
        self._seconds, self._period = 3600 * hours, val_period
        self._pictures, self._val_images = pictures, val_images
        self._warned = False

    def decide(self, state: TrainingState) -> int | None:
        """The number of epochs from now on; None: it stays as it is, and nothing is to be saved.

        To be called when the batches of an epoch are done and its validation is not. The first
        decision is made after the second epoch, as the first one also fills the image cache; where
        epochs are so long that few fit, after the first.
        """
        done = state.epoch + 1
        if state.decided_after == done or done >= state.epochs:
            return None
        pace = self._pace(state)
        fitting = self._fitting(state, pace)
        if state.decided_after:
            if self._end(state, pace, state.epochs) <= self._seconds:
                return None
            log.warning("it takes longer than expected: %s", self._describe(state, pace, fitting))
        elif done == 1 and fitting >= FEW:
            return None
        else:
            log.info("%s", self._describe(state, pace, fitting))
        if fitting == done:
            self._warn_of_the_end(state)
        return fitting

    def watch(self, state: TrainingState, batches: int) -> None:
        """Warns once, within the first epoch, if not even that one fits."""
        if self._warned or state.epoch or state.seconds < EARLY * self._seconds:
            return
        whole = state.seconds * batches / state.batch
        if whole > self._seconds:
            self._warned = True
            log.warning(
                "not even one epoch fits into the time budget of %s: it takes about %s. It is "
                "trained all the same, and then the training ends. For more, raise the budget or "
                "epoch_parts, or lower imgsz.",
                duration(self._seconds),
                duration(whole),
            )

    def _pace(self, state: TrainingState) -> Pace:
        """By the latest epochs; the first counts only as long as it is the only one."""
        history = state.history
        epochs = [self._pictures / row["images_per_s"] for row in history]
        epochs.append(state.seconds - sum(row["seconds"] for row in history))
        epoch = median((epochs[1:] or epochs)[-RECENT:])
        validations = [
            row["seconds"] - self._pictures / row["images_per_s"]
            for row in history
            if "fitness" in row
        ]
        # Not yet measured, a validation is taken to cost half a training step an image: it has
        # the forward pass alone.
        guess = 0.5 * epoch * self._val_images / self._pictures
        return Pace(epoch, median(validations[-RECENT:] or [guess]))

    def _fitting(self, state: TrainingState, pace: Pace) -> int:
        """The most epochs that end inside; at least those that are done."""
        done, aim = state.epoch + 1, (1 - RESERVE) * self._seconds
        counts = range(state.epochs, done, -1)
        return next((count for count in counts if self._end(state, pace, count) <= aim), done)

    def _end(self, state: TrainingState, pace: Pace, epochs: int) -> float:
        """Seconds at the end of a training of so many epochs; this one's validation is to come."""
        done, period = state.epoch + 1, self._period
        validations = 1
        if period:
            validations = epochs // period - (done - 1) // period + (epochs % period > 0)
        rest = (epochs - done) * pace.epoch + validations * pace.validation
        return state.seconds + rest

    def _describe(self, state: TrainingState, pace: Pace, fitting: int) -> str:
        return (
            f"{fitting} of {state.epochs} epochs fit into the time budget of "
            f"{duration(self._seconds)}: {duration(state.seconds)} are over, an epoch takes "
            f"{duration(pace.epoch)}, a validation {duration(pace.validation)}"
        )

    def _warn_of_the_end(self, state: TrainingState) -> None:
        log.warning(
            "no further epoch fits into the time budget of %s, of which %s are over: the training "
            "ends with this one, at the learning rate that it has reached",
            duration(self._seconds),
            duration(state.seconds),
        )
