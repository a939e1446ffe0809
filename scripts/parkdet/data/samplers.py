"""Which images an epoch shows, in which order, and in which batches."""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np


class Sample(NamedTuple):
    """One picture to make; epoch and position determine every random number it needs."""

    epoch: int
    position: int  # in the epoch, from 0
    index: int  # of the image in the training set


class EpochOrder:
    """The images of each epoch: a pure function of seed, stage and epoch.

    With ``parts`` = 1 and no ``weights`` an epoch is a permutation of all images; otherwise it is
    ``int(images / parts)`` draws with replacement, in proportion to ``weights`` if given.
    """

    def __init__(
        self,
        images: int,
        seed: int,
        stage: str,
        parts: int = 1,
        weights: Sequence[float] | None = None,
    ) -> None:
        self._images, self._seed, self._stage = images, seed, stage
        self._parts, self._weights = parts, weights
        self._latest: tuple[int, list[int]] = (-1, [])

    def __len__(self) -> int:
        return max(1, int(self._images / self._parts))

    def __call__(self, epoch: int) -> list[int]:
        """The image indices of an epoch; the latest epoch is cached."""
        if self._latest[0] != epoch:
            self._latest = (epoch, self._draw(epoch))
        return self._latest[1]

    def _draw(self, epoch: int) -> list[int]:
        generator = random.Random(f"order of {self._stage} {self._seed} {epoch}")
        everything = range(self._images)
        if self._parts == 1 and self._weights is None:
            return generator.sample(everything, self._images)
        return generator.choices(everything, weights=self._weights, k=len(self))


class EpochBatches:
    """Batch sampler for a DataLoader; the last batch may be smaller.

    With several processes (ranks), each gets its share of each batch, so the batches are the same
    as with one. The sampler lives in the main process and its items carry the epoch, so loader
    workers can persist.
    """

    def __init__(self, order: EpochOrder, batch_size: int, rank: int = 0, ranks: int = 1) -> None:
        self._order = order
        self._batch_size = min(batch_size, len(order))
        self._rank, self._ranks = rank, ranks
        self._epoch = self._first_batch = 0

    def start_at(self, epoch: int, batch: int = 0) -> None:
        """Makes the next iteration yield the batches of ``epoch`` from ``batch`` on."""
        self._epoch, self._first_batch = epoch, batch

    def __len__(self) -> int:
        """Number of batches in a whole epoch."""
        return -(-len(self._order) // self._batch_size)

    def __iter__(self) -> Iterator[list[Sample]]:
        """The rank's share of each batch; if it is empty, one image that must not count.

        Every rank must take part in every step.
        """
        for batch in range(self._first_batch, len(self)):
            samples = self.samples(self._epoch, batch)
            yield samples[self._rank :: self._ranks] or samples[:1]

    def samples(self, epoch: int, batch: int) -> list[Sample]:
        """A whole batch, over all ranks."""
        start = batch * self._batch_size
        indices = self._order(epoch)[start : start + self._batch_size]
        return [Sample(epoch, start + offset, index) for offset, index in enumerate(indices)]

    def sizes(self, batch: int) -> tuple[int, int]:
        """How many images of a batch count: for this rank, and for all ranks."""
        whole = min(self._batch_size, len(self._order) - batch * self._batch_size)
        return len(range(self._rank, whole, self._ranks)), whole


def class_weights(labels: Sequence[np.ndarray], classes: int) -> np.ndarray:
    """Inverse class frequencies that sum to 1.

    Args:
        labels: for each image an array (boxes, 5) whose first column is the class.

    Returns:
        Array (classes,); a class without a box counts as if it had one.
    """
    return _normalised(1 / np.maximum(_class_counts(labels, classes).sum(axis=0), 1))


def image_weights(labels: Sequence[np.ndarray], classes: int) -> np.ndarray:
    """Weight of each image: the sum of its boxes' class weights; 0 without a box.

    These are yolov5's image weights when no AP per class is known yet.

    Returns:
        Array (images,) that sums to 1.
    """
    counts = _class_counts(labels, classes)
    return _normalised((counts * class_weights(labels, classes)).sum(axis=1))


def _class_counts(labels: Sequence[np.ndarray], classes: int) -> np.ndarray:
    """Boxes of each class in each image: array (images, classes)."""
    return np.array([np.bincount(rows[:, 0].astype(int), minlength=classes) for rows in labels])


def _normalised(values: np.ndarray) -> np.ndarray:
    return values / max(values.sum(), np.finfo(float).tiny)
