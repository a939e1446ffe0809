"""Average precision of ranked detections, interpolated at 101 recalls as COCO does it."""

from collections.abc import Mapping

import numpy as np

RECALLS = np.linspace(0, 1, 101)
NOTHING = np.zeros(101)


def precision_at_recall(right: np.ndarray, objects: int) -> np.ndarray:
    """Highest precision at each of RECALLS or beyond (101,); its mean is the AP.

    Args:
        right: (n,) which detections of a class are right, best first.
        objects: how many of the class are to be found, at least 1.
    """
    found = np.cumsum(right)
    precision = found / np.arange(1, len(found) + 1)
    best_beyond = np.maximum.accumulate(precision[::-1])[::-1]
    return np.append(best_beyond, 0.0)[np.searchsorted(found / objects, RECALLS, side="left")]


def mean_ap(categories: np.ndarray, right: np.ndarray, positives: Mapping[int, int]) -> float:
    """Mean of the AP over the classes; NaN without any.

    Args:
        categories: (n,) category id of each detection, best first.
        right: (n,) whether it is right.
        positives: category id -> objects to be found; the AP of a class with 0 of them is 0.
    """
    curves = [
        precision_at_recall(right[categories == category], count) if count else NOTHING
        for category, count in positives.items()
    ]
    return float(np.mean(curves)) if curves else float("nan")
