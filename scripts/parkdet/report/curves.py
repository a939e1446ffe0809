"""Precision, recall and F1 curves, from matched detections."""

from typing import NamedTuple

import numpy as np

from parkdet.evaluation.average_precision import precision_at_recall
from parkdet.evaluation.matching import IGNORED, RIGHT, Matches
from parkdet.evaluation.operating_point import class_rates

CONFIDENCES = np.linspace(0, 1, 201)


class RateCurves(NamedTuple):
    """Means over the classes that have objects, at each of CONFIDENCES (201,)."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def precision_curves(matches: Matches) -> dict[int, np.ndarray]:
    """Category id -> precision at each of RECALLS (101,); the mean of a curve is the class's AP50.

    Only for classes that have objects to find.
    """
    curves = {}
    for category, objects in sorted(matches.positives.items()):
        chosen = (matches.categories == category) & (matches.outcomes != IGNORED)
        best_first = np.argsort(-matches.scores[chosen], kind="stable")
        right = matches.outcomes[chosen] == RIGHT
        curves[category] = precision_at_recall(right[best_first], objects)
    return curves


def rates_at_confidence(matches: Matches) -> RateCurves | None:
    """Mean rates when only detections of at least each confidence are kept; None without objects.

    Where a class has no detections left, its precision counts as 0, as in ``best_f1``.
    """
    classes = sorted(matches.positives)
    if not classes:
        return None
    total = sum(class_rates(matches, category, CONFIDENCES) for category in classes)
    return RateCurves(*(total / len(classes)))
