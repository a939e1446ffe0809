"""Progress, shown to suit the reader: a bar on a terminal, a line every 30 s in a log."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger("parkdet")

CLEAR_LINE = "\r\x1b[K"  # before a message on a terminal: a bar may be there, which is redrawn
SECONDS_BETWEEN_LINES = 30.0
SECONDS_BETWEEN_FIGURES = 1.0  # on a bar: getting them may mean waiting for a GPU
BAR = (  # tqdm's own, but with units per second even where that is less than one
    "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"
)
_MARK = "line_of_progress"


def track(
    items: Iterable[T],
    total: int,
    label: str,
    unit: str = "batches",
    size: Callable[[T], int] = lambda item: 1,
    done: int = 0,
    figures: Callable[[], str] = str,
) -> Iterator[T]:
    """Yields ``items`` and shows how far the loop is, how fast it goes and when it will end.

    If stderr is a terminal, it shows a bar while the loop runs, and lines go only to the log file;
    otherwise lines go wherever messages go. A loop that ends within 30 s writes no line.

    Args:
        total: units in all.
        size: gives the units of an item.
        done: units done before.
        figures: gives further text to show; called after an item.
    """
    from tqdm import tqdm  # late: most commands need only what is below

    started = shown = logged = time.monotonic()
    before = done
    with tqdm(
        total=total,
        initial=done,
        desc=label,
        unit=f" {unit}",
        bar_format=BAR,
        leave=False,
        dynamic_ncols=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        for item in items:
            yield item
            done += size(item)
            now = time.monotonic()
            if not bar.disable and now - shown >= SECONDS_BETWEEN_FIGURES:
                shown = now
                bar.set_postfix_str(figures(), refresh=False)
            bar.update(size(item))
            if now - logged >= SECONDS_BETWEEN_LINES:
                logged = now
                text = _line(label, done, total, unit, (done - before) / (now - started))
                log.info("%s", "; ".join(filter(None, (text, figures()))), extra={_MARK: True})


def is_line_of_progress(record: logging.LogRecord) -> bool:
    """Whether a message is a line of progress, which a terminal with a bar does not need."""
    return getattr(record, _MARK, False)


def _line(label: str, done: int, total: int, unit: str, rate: float) -> str:
    left = f", {duration((total - done) / rate)} left" if rate else ""
    return f"{label}: {done:,}/{total:,} {unit}, {rate:.3g} {unit}/s{left}"


def duration(seconds: float) -> str:
    """A time rounded for people: ``45 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
