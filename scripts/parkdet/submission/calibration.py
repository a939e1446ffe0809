"""How often a box of a given score and class is right, learnt from the val set.

One curve is fitted to the boxes of all classes, and each class gets one factor on it: a rare class
has too few objects for a curve of its own. Even the factor is shrunk towards 1, as if SHRINKAGE
more boxes had been right, as many as the curve predicts.

The curve, from score s to chance q, is beta calibration (Kull, Silva Filho and Flach, AISTATS
2017): a logistic regression on ln s and -ln(1 - s) with non-negative slopes, so q never falls as s
rises. An isotonic fit would have steps, on which boxes with different scores look alike just where
a tight limit has to choose between them. A prior at q(s) = s, worth about one box, keeps the
weights finite where all boxes are wrong or all are right.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from parkdet.evaluation.matching import IGNORED, RIGHT, Matches, match
from parkdet.submission.records import Detection

Target = Literal["50", "75", "50:95"]
IOUS: dict[Target, tuple[float, ...]] = {
    "50": (0.5,),
    "75": (0.75,),
    "50:95": (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
}
LEAST = 1e-4  # scores have four decimals; nearer to 0 and 1 the logarithms would only show rounding
SHRINKAGE = 3.0  # right boxes added to those counted and to those that the pooled curve expects
RECALL_SHRINKAGE = 10.0  # objects, found at the pooled recall, added to those of each class


class ClassCalibration(msgspec.Struct):
    """What the val set says about one class at one IoU.

    Attributes:
        objects: objects to be found in the val set.
        right: boxes that found one.
        factor: how many times as often as the pooled curve predicts a box is right.
        recall: share of the objects that is found, shrunk towards that of all classes.
    """

    category_id: int
    objects: int
    right: int
    factor: float
    recall: float


class Calibration(msgspec.Struct):
    """The chance that a box is right at one IoU.

    Attributes:
        slopes: weights of ln s and of -ln(1 - s), not negative.
        intercept: in logits.
        recall: share of the objects that is found, over all classes.
        classes: those with objects in the val set; the pooled curve alone applies to others.
    """

    iou: float
    slopes: tuple[float, float]
    intercept: float
    recall: float
    classes: list[ClassCalibration]

    def chances(self, scores: np.ndarray) -> np.ndarray:
        """The pooled curve's chances, (n,) between 0 and 1, for scores (n,)."""
        weights = np.array([*self.slopes, self.intercept])
        return 1 / (1 + np.exp(-_features(scores) @ weights))


def calibrate(truth: dict, detections: Sequence[Detection], target: Target) -> list[Calibration]:
    """Fits a calibration at each IoU of an AP.

    Args:
        truth: COCO dictionary of the val set.
        detections: on all its images, down to the least confidence used elsewhere.
    """
    return [_at_iou(match(truth, detections, iou), iou) for iou in IOUS[target]]


def _at_iou(matches: Matches, iou: float) -> Calibration:
    counted = matches.outcomes != IGNORED
    right = matches.outcomes[counted] == RIGHT
    slopes, intercept = _fit(matches.scores[counted], right)
    objects = matches.positives.total()
    recall = int(right.sum()) / objects if objects else 0.0
    curve = Calibration(iou, slopes, intercept, recall, [])
    categories = matches.categories[counted]
    found = Counter(categories[right].tolist())
    chances = curve.chances(matches.scores[counted])
    for category, number in sorted(matches.positives.items()):
        expected = float(chances[categories == category].sum())
        curve.classes.append(
            ClassCalibration(
                category_id=category,
                objects=number,
                right=found[category],
                factor=(found[category] + SHRINKAGE) / (expected + SHRINKAGE),
                recall=(found[category] + RECALL_SHRINKAGE * recall) / (number + RECALL_SHRINKAGE),
            )
        )
    return curve


def _features(scores: np.ndarray) -> np.ndarray:
    """(n, 3): the terms that the curve's weights apply to."""
    inside = np.clip(scores, LEAST, 1 - LEAST)
    return np.stack([np.log(inside), -np.log1p(-inside), np.ones_like(inside)], axis=1)


def _fit(scores: np.ndarray, right: np.ndarray) -> tuple[tuple[float, float], float]:
    """The most likely slopes and intercept, given scores (n,) and which boxes are right (n,)."""
    from scipy.optimize import minimize

    levels, places = np.unique(scores, return_inverse=True)
    counts, hits = np.bincount(places), np.bincount(places, weights=right)
    features, prior = _features(levels), np.array([1.0, 1.0, 0.0])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits = features @ weights
        away = weights - prior
        value = counts @ np.logaddexp(0, logits) - hits @ logits + away @ away / 2
        gradient = features.T @ (counts / (1 + np.exp(-logits)) - hits) + away
        return value, gradient

    limits = [(0, None), (0, None), (None, None)]
    first, second, intercept = minimize(loss, prior, jac=True, bounds=limits).x.tolist()
    return (first, second), intercept
