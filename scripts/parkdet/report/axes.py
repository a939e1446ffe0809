"""Chart axes: which numbers label them and where a value lies on them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

TINY = 1e-300  # less counts as 0: a quarter of it could underflow


@dataclass(frozen=True)
class Axis:
    """A scale from ``low`` to ``high``, with labelled ticks."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies: 0 at ``low``, 1 at ``high``; clamped to that range."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)


def linear(label: str, values: Iterable[float], low: float | None = None) -> Axis:
    """An axis over all values (from ``low``, if given), with round numbers at both ends."""
    values = [value if abs(value) > TINY else 0.0 for value in values if math.isfinite(value)]
    values = values or [0.0, 1.0]
    start = min(values) if low is None else low
    end = max(values)
    if end <= start:
        end = start + (abs(start) or 1.0)
    step = _round_step((end - start) / 4)
    first, last = math.floor(start / step + 1e-9), math.ceil(end / step - 1e-9)
    ticks = tuple(number * step for number in range(first, last + 1))
    return Axis(label, ticks[0], ticks[-1], ticks)


def unit(label: str) -> Axis:
    """An axis from 0 to 1."""
    return Axis(label, 0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))


def whole(label: str, first: int, last: int) -> Axis:
    """An axis of whole numbers, such as epochs."""
    last = max(last, first + 1)
    step = max(1, round(_round_step((last - first) / 6)))
    ticks = [first, *(number for number in range(step, last + 1, step) if number > first)]
    return Axis(label, first, last, tuple(float(tick) for tick in ticks))


def powers(label: str, low: float, high: float) -> Axis:
    """A logarithmic axis from one power of two to another."""
    exponents = range(round(math.log2(low)), round(math.log2(high)) + 1)
    return Axis(label, low, high, tuple(2.0**number for number in exponents), log=True)


def _round_step(step: float) -> float:
    """The smallest of 1, 2, 5 and 10 times a power of ten that is not below ``step``."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def short(value: float) -> str:
    """A number as a tick label: ``0.25``, ``40``, ``12k``, ``1.5M``."""
    for limit, letter in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if letter == 'k' else limit):.4g}{letter}"
    return f"{value:.4g}"
