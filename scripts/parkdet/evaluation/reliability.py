"""How far a score can be read as the chance that the detection is right.

The expected calibration error of Guo et al. (On Calibration of Modern Neural Networks, ICML 2017)
with precision in place of accuracy, as Kueppers et al. (Multivariate Confidence Calibration for
Object Detection, CVPR Workshops 2020) define it for detectors, over bins with equally many
detections.
"""

from dataclasses import dataclass

import numpy as np

BINS = 10
LEAST_IN_BIN = 10  # detections; if there are too few, there are fewer bins
LEAST_SCORE = 0.05  # nearly all detections score less; they would fill nine bins out of ten


@dataclass(frozen=True)
class Bin:
    """Detections with neighbouring scores.

    Attributes:
        low, high: their lowest and highest score.
        score: their mean score.
        precision: share of them that is right.
    """

    low: float
    high: float
    detections: int
    score: float
    precision: float


def reliability_bins(scores: np.ndarray, right: np.ndarray) -> list[Bin]:
    """Bins of equally many detections of at least LEAST_SCORE, lowest first; empty without any.

    Args:
        scores: (n,) highest first.
        right: (n,) which detections are right.
    """
    count = int(np.count_nonzero(scores >= LEAST_SCORE))
    if not count:
        return []
    bins = max(min(BINS, count // LEAST_IN_BIN), 1)
    return [
        Bin(
            low=float(group[0]),
            high=float(group[-1]),
            detections=len(group),
            score=float(group.mean()),
            precision=float(hits.mean()),
        )
        for group, hits in zip(
            np.array_split(scores[:count][::-1], bins),
            np.array_split(right[:count][::-1], bins),
            strict=True,
        )
    ]


def expected_calibration_error(bins: list[Bin]) -> float:
    """Mean gap between score and precision, weighted by detections; NaN without bins."""
    weights = sum(item.detections for item in bins)
    gaps = sum(item.detections * abs(item.score - item.precision) for item in bins)
    return gaps / weights if weights else float("nan")
