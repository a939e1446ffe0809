"""Progress that suits where it is read: a bar on a terminal, a line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
log = logging.getLogger("parkdet")

SECONDS_BETWEEN_LINES = 30.0


def track(items: Iterable[T], total: int, label: str, unit: str = "batch") -> Iterator[T]:
    """Yields ``items`` and shows how far it is: a bar if stderr is a terminal, else plain lines.

    A line comes every 30 s; a loop that ends sooner prints none.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=label, unit=unit, leave=False, dynamic_ncols=True)
        return
    started = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            rate = done / (now - started)
            log.info(
                "%s: %d/%d, %.2f %s/s, %.0f s left",
                label,
                done,
                total,
                rate,
                unit,
                (total - done) / rate,
            )
