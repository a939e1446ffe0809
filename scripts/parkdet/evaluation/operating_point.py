"""The confidence at which a detector is best used, and precision and recall there."""

from dataclasses import dataclass

import numpy as np

from parkdet.evaluation.matching import IGNORED, RIGHT, Matches

NAN = float("nan")


@dataclass(frozen=True)
class Rates:
    """Precision (share of detections that are right), recall (share of objects found) and F1."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class OperatingPoint:
    """Rates at one confidence, of each class that has objects and averaged over these classes.

    Attributes:
        confidence: least score of a detection that is kept.
        mean: means over the classes; f1 is the mean of their F1.
        per_class: category id -> rates.
    """

    confidence: float
    mean: Rates
    per_class: dict[int, Rates]


def best_f1(matches: Matches) -> OperatingPoint:
    """The one confidence for all classes at which the mean of their F1 is highest.

    Among equals, the highest confidence. Without detections there is none (NaN) and the rates are
    0; without objects the rates are NaN.
    """
    classes = sorted(matches.positives)
    counted = matches.outcomes != IGNORED
    thresholds = np.unique(matches.scores[counted])[::-1]
    if not classes:
        return OperatingPoint(NAN, Rates(NAN, NAN, NAN), {})
    if not thresholds.size:
        nothing = Rates(0.0, 0.0, 0.0)
        return OperatingPoint(NAN, nothing, dict.fromkeys(classes, nothing))
    total = np.zeros((3, thresholds.size))
    for category in classes:
        total += class_rates(matches, category, thresholds)
    best = int(total[2].argmax())
    at_best = thresholds[best : best + 1]
    return OperatingPoint(
        confidence=float(thresholds[best]),
        mean=Rates(*(total[:, best] / len(classes)).tolist()),
        per_class={c: Rates(*class_rates(matches, c, at_best)[:, 0].tolist()) for c in classes},
    )


def class_rates(matches: Matches, category: int, thresholds: np.ndarray) -> np.ndarray:
    """Precision, recall and F1 (3, t) of a class when scores >= each threshold (t,) are kept."""
    chosen = (matches.categories == category) & (matches.outcomes != IGNORED)
    scores, right = matches.scores[chosen], matches.outcomes[chosen] == RIGHT
    order = np.argsort(-scores, kind="stable")
    found = np.concatenate([[0], np.cumsum(right[order])])
    kept = np.searchsorted(-scores[order], -thresholds, side="right")
    positives = matches.positives[category]
    precision = found[kept] / np.maximum(kept, 1)
    recall = found[kept] / positives
    # F1 = 2 right / (kept + objects); equals 2PR / (P + R), and is 0 where that is 0 / 0.
    return np.stack([precision, recall, 2 * found[kept] / (kept + positives)])
