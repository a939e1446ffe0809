"""Decoded images in memory shared by all loader workers, up to a number of bytes."""

import math
import mmap
import multiprocessing
from collections.abc import Callable, Sequence

import numpy as np


class SharedImageCache:
    """Keeps each image from its first use on, as far as ``max_bytes`` allow.

    The memory is mapped before loader workers fork, so an image that one of them decodes is there
    for all. Pages are taken from the system only when an image is stored. Images that do not fit
    are decoded again at each use.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], max_bytes: int) -> None:
        """Lays out the memory.

        Args:
            shapes: (height, width) in pixels of each image as stored, with 3 channels of uint8.
            max_bytes: most memory for the images.
        """
        self._shapes = shapes
        ends = np.cumsum([height * width * 3 for height, width in shapes], dtype=np.int64)
        self.kept = int(np.searchsorted(ends, max_bytes, side="right"))
        self._offsets = [0, *ends[: self.kept].tolist()]
        self._stored = np.frombuffer(mmap.mmap(-1, max(1, self.kept)), dtype=np.uint8)
        self._memory = np.frombuffer(mmap.mmap(-1, max(1, self._offsets[-1])), dtype=np.uint8)
        # The lock orders memory: whoever sees that an image is stored also sees its pixels.
        self._lock = multiprocessing.get_context("fork").Lock()

    def get(self, index: int, make: Callable[[int], np.ndarray]) -> np.ndarray:
        """The image (height, width, 3), from memory or ``make(index)``; do not change it."""
        if index >= self.kept:
            return make(index)
        place = self._memory[self._offsets[index] : self._offsets[index + 1]]
        place = place.reshape(*self._shapes[index], 3)
        with self._lock:
            stored = self._stored[index]
        if not stored:
            place[:] = make(index)
            with self._lock:
                self._stored[index] = 1
        return place


def resized_shape(height: int, width: int, imgsz: int) -> tuple[int, int]:
    """(height, width) in pixels of an image scaled so that its long side is ``imgsz``."""
    ratio = imgsz / max(height, width)
    return math.ceil(height * ratio), math.ceil(width * ratio)
