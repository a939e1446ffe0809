"""yolov5's image augmentations, and a way to make their use of global random numbers repeatable."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy
from yolov5.utils.augmentations import letterbox, mixup, random_perspective

__all__ = ["letterbox", "mixup", "random_perspective", "seeded"]


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Seeds Python's and numpy's global generators from ``numbers``, and restores them afterwards.

    yolov5's augmentations draw from both. The numbers, such as seed, epoch and image index,
    must not be negative.
    """
    python, legacy = random.getstate(), numpy.random.get_state()
    words = numpy.random.SeedSequence(numbers).generate_state(4)
    random.seed(int(words[0]) << 32 | int(words[1]))
    numpy.random.seed(words[2:])
    try:
        yield
    finally:
        random.setstate(python)
        numpy.random.set_state(legacy)
