"""parkdet: from labelled photographs of parking scenes to a size-limited submission file."""

__version__ = "0.1.0"
