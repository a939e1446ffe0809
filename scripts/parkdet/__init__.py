"""parkdet: from labelled photographs of parking scenes to a detector and a size-limited submission."""

__version__ = "0.1.0"
