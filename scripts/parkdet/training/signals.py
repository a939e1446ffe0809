"""Stop requests by signal, heeded at the next safe moment."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)


class StopRequest:
    """Remembers the first signal that asked to stop."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def heed(self, number: int, _frame: FrameType | None = None) -> None:
        """The signal handler."""
        if self.signal is None:
            self.signal = signal.Signals(number)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turns SIGTERM, SIGINT, SIGUSR1 and SIGHUP into a stop request while the block runs.

    A SIGHUP that is already ignored stays ignored, so that nohup can outlive the terminal.
    """
    request, numbers = StopRequest(), list(SIGNALS)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        numbers.remove(signal.SIGHUP)
    before = {number: signal.signal(number, request.heed) for number in numbers}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # a launcher blocks them until here
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_in_worker(_worker: int) -> None:
    """For loader workers: a signal to the whole group must not take them from the trainer."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
