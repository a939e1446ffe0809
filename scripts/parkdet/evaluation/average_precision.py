"""Average precision of ranked detections, interpolated at 101 recalls as in COCO."""

from collections.abc import Mapping

import numpy as np

RECALLS = np.linspace(0, 1, 101)
NOTHING = np.zeros(101)


def precision_at_recall(right: np.ndarray, objects: int) -> np.ndarray:
    """The highest precision at or beyond each of RECALLS (101,); its mean is the AP.

    Args:
        right: (n,) which detections of a class are right, best first.
        objects: objects of the class to be found, at least 1.
    """
    found = np.cumsum(right)
    precision = found / np.arange(1, len(found) + 1)
    best_beyond = np.maximum.accumulate(precision[::-1])[::-1]
    return np.append(best_beyond, 0.0)[np.searchsorted(found / objects, RECALLS, side="left")]


def mean_ap(categories: np.ndarray, right: np.ndarray, positives: Mapping[int, int]) -> float:
    """Mean AP over the classes; NaN without classes.

    Args:
        categories: (n,) category id of each detection, best first.
        right: (n,) whether it is right.
        positives: category id -> objects to be found; a class with none has an AP of 0.
    """
    curves = [
        precision_at_recall(right[categories == category], count) if count else NOTHING
        for category, count in positives.items()
    ]
    return float(np.mean(curves)) if curves else float("nan")
