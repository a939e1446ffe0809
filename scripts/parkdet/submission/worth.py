"""Estimates what each detection adds to the mean AP, from the val set.

The AP of a class is the area under its precision-recall curve. A box that is right with chance q
adds 1 / P to the recall of a class of P objects, at the precision p that the class has down to this
box. So its worth to the mean over the classes is, up to a factor of their number,

    q p / P.

q is the pooled curve of ``calibration`` times the factor of the class. p and P need no truth: sums
of q estimate how many of the boxes to be cut are right, so p is the mean q of the class down to the
box, and P the sum of all q of the class divided by the share of its objects that the detector finds
(its recall on the val set). Counted on a small val set instead, the P of a rare class would be a
matter of luck. For an AP over several IoUs the worth is summed over them.

A cut by score keeps a box of a common class before one of a rare class with a slightly lower score,
though the first adds 1 / 1000 to a recall and the second 1 / 10.
"""

from collections.abc import Sequence

import numpy as np

from parkdet.submission.calibration import Calibration


def worth(
    scores: np.ndarray, categories: np.ndarray, calibrations: Sequence[Calibration]
) -> np.ndarray:
    """The worth (n,) of detections with these scores (n,) and categories (n,).

    Within a category it never rises as scores fall or, at equal scores, further down the list.
    """
    values = np.zeros(len(scores))
    chances = [calibration.chances(scores) for calibration in calibrations]
    for category in np.unique(categories).tolist():
        of_class = np.flatnonzero(categories == category)
        best_first = of_class[np.argsort(-scores[of_class], kind="stable")]
        for calibration, chance in zip(calibrations, chances, strict=True):
            values[best_first] += _of_class(calibration, chance[best_first], category)
        values[best_first] = np.minimum.accumulate(values[best_first])  # despite rounded sums
    return values


def _of_class(calibration: Calibration, chances: np.ndarray, category: int) -> np.ndarray:
    """Worth (n,) of the boxes of one class, best first, given the pooled curve's chances (n,)."""
    factor, recall = 1.0, calibration.recall
    for row in calibration.classes:
        if row.category_id == category:
            factor, recall = row.factor, row.recall
    right = np.minimum(1, factor * chances)
    total = right.sum()
    if not total or not recall:
        return np.zeros_like(right)
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return right * precision * recall / total
