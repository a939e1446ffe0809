"""When a running training saves its state, and what is saved along with it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parkdet.training.lock import StateLock
from parkdet.training.state import TrainingState
from parkdet.training.store import StateStore


class Saver:
    """Saves a state whenever asked, and knows when a save is due.

    Args:
        context: saved along with the state: what it was made with.
        minutes: longest time between two saves; 0: none is ever due.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        store: StateStore,
        lock: StateLock,
        context: dict[str, Any],
        minutes: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._lock, self._context = store, lock, context
        self._seconds, self._clock = 60 * minutes, clock
        self._latest = clock()

    def due(self) -> bool:
        """Whether the latest save was too long ago."""
        return self._seconds > 0 and self._clock() - self._latest >= self._seconds

    def save(self, state: TrainingState) -> Path:
        """Writes the state.

        Returns:
            Its file.

        Raises:
            UserError: it cannot be written (earlier states are untouched), or the lock was lost.
        """
        self._lock.check()
        content = {"state": state.state_dict(), **self._context}
        path = self._store.save(content, state.epoch, state.batch)
        self._latest = self._clock()
        return path
