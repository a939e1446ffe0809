"""Precision, recall and F1 as curves, from the outcomes of a matching."""

from typing import NamedTuple

import numpy as np

from parkdet.evaluation.average_precision import precision_at_recall
from parkdet.evaluation.matching import IGNORED, RIGHT, Matches

CONFIDENCES = np.linspace(0, 1, 201)


class Rates(NamedTuple):
    """Means over the classes that have objects, at each of CONFIDENCES (201,)."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def precision_curves(matches: Matches) -> dict[int, np.ndarray]:
    """Category id -> precision at each of RECALLS (101,); the mean of a curve is the class's AP50.

    Of the classes that have objects to be found.
    """
    curves = {}
    for category, objects in sorted(matches.positives.items()):
        scores, right = _of_class(matches, category)
        best_first = np.argsort(-scores, kind="stable")
        curves[category] = precision_at_recall(right[best_first], objects)
    return curves


def rates_at_confidence(matches: Matches) -> Rates | None:
    """Mean rates when detections of at least each confidence are kept; None without objects.

    Where a class has no detection left its precision counts as 0, as in ``best_f1``.
    """
    classes = sorted(matches.positives)
    if not classes:
        return None
    total = np.zeros((3, len(CONFIDENCES)))
    for category in classes:
        scores, right = _of_class(matches, category)
        order = np.argsort(scores, kind="stable")
        found_below = np.concatenate([[0], np.cumsum(right[order])])
        first = np.searchsorted(scores[order], CONFIDENCES, side="left")
        kept, found = len(scores) - first, found_below[-1] - found_below[first]
        positives = matches.positives[category]
        total += np.stack(
            [found / np.maximum(kept, 1), found / positives, 2 * found / (kept + positives)]
        )
    return Rates(*(total / len(classes)))


def _of_class(matches: Matches, category: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and whether right, of the detections of a class that count."""
    chosen = (matches.categories == category) & (matches.outcomes != IGNORED)
    return matches.scores[chosen], matches.outcomes[chosen] == RIGHT
