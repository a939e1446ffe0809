"""Numbers formatted for people."""

from parkdet import progress

__all__ = ["change", "count", "duration", "figure", "percent", "setting", "size"]


def duration(seconds: float) -> str:
    """``0.4 s``, ``45 s``, ``12 min``, ``3.4 h``."""
    return f"{seconds:.1f} s" if seconds < 10 else progress.duration(seconds)


def figure(value: float | None, digits: int = 3) -> str:
    """``0.573``; a dash for a missing value."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def count(value: float | None) -> str:
    """``12,345``; a dash for a missing value."""
    return "–" if value is None else f"{value:,.0f}"


def percent(value: float) -> str:
    """``0.9994`` -> ``99.9 %``."""
    return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def change(value: float, digits: int = 3) -> str:
    """A number with its sign: ``+0.012``; with no digits, ``−1,364``."""
    return f"{value:+,.{digits}f}".replace("-", "−")


def setting(value: object) -> str:
    """A config value as it is written in the config."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def size(value: float) -> str:
    """Bytes: ``149.9 kB``, ``19.99 MB``."""
    for limit, name in ((1e6, "MB"), (1e3, "kB")):
        if value >= limit:
            return f"{value / limit:.4g} {name}"
    return f"{value:.0f} bytes"
