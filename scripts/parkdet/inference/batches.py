"""Batches of images of one shape, planned before any image is decoded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WINDOW = 512  # images


@dataclass(frozen=True)
class Batch:
    """Images that go through the detector together."""

    shape: tuple[int, int]
    """Height and width in pixels after padding."""
    indices: tuple[int, ...]
    """Positions of the images in the input."""


def plan_batches(shapes: Sequence[tuple[int, int]], batch_size: int) -> list[Batch]:
    """Groups images of the same shape into batches.

    Images are taken from a window of 512 at a time, so a result does not wait long before it can
    be yielded in the order of the input.

    Args:
        shapes: height and width of each image after padding.
    """
    window = max(WINDOW // batch_size, 1) * batch_size
    starts = range(0, len(shapes), window)
    return [
        batch
        for start in starts
        for batch in _batches(range(start, min(start + window, len(shapes))), shapes, batch_size)
    ]


def _batches(indices: range, shapes: Sequence[tuple[int, int]], batch_size: int) -> Iterator[Batch]:
    by_shape: dict[tuple[int, int], list[int]] = {}
    for index in indices:
        by_shape.setdefault(shapes[index], []).append(index)
    for shape, members in by_shape.items():
        for start in range(0, len(members), batch_size):
            yield Batch(shape, tuple(members[start : start + batch_size]))
