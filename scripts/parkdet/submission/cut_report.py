"""The result of a cut, as JSON and in words."""

from typing import Literal

import msgspec
import numpy as np

from parkdet.submission.calibration import Calibration

Method = Literal["global", "threshold", "per-class"]


class Counts(msgspec.Struct):
    """Detections before and after the cut."""

    total: int
    kept: int
    left_out: int


class ClassCounts(msgspec.Struct):
    """Detections of one category before and after the cut.

    Attributes:
        threshold: least score kept; None if nothing was kept.
    """

    category_id: int
    total: int
    kept: int
    left_out: int
    threshold: float | None


class CutReport(msgspec.Struct, omit_defaults=True):
    """The result of a cut.

    Attributes:
        bytes: size of the file written, always below ``max_bytes``.
        threshold: least score kept (global; None if nothing was kept) or the t of ``threshold``;
            None for per-class, where each class has its own.
        ties_dropped: detections left out that tie with the last one kept: the same score or, for
            per-class, the same worth.
        calibrations: what per-class learnt from the val set, for each IoU of the AP.
    """

    method: Method
    max_bytes: int
    bytes: int
    threshold: float | None
    ties_dropped: int
    detections: Counts
    per_class: list[ClassCounts]
    calibrations: list[Calibration] = []


def count_classes(
    categories: np.ndarray, scores: np.ndarray, chosen: np.ndarray
) -> list[ClassCounts]:
    """Counts of each category, by id.

    Args:
        categories: (n,) category id.
        scores: (n,) confidence.
        chosen: (n,) whether each detection was kept.
    """
    kept, kept_scores = categories[chosen], scores[chosen]
    rows = []
    for category, total in zip(*np.unique_counts(categories), strict=True):
        own = kept_scores[kept == category]
        least = float(own.min()) if own.size else None
        left_out = int(total) - own.size
        rows.append(ClassCounts(int(category), int(total), own.size, left_out, least))
    return rows


def describe(report: CutReport) -> str:
    """The result in one sentence, for people."""
    counts = report.detections
    ties = [f"{report.ties_dropped:,} of equal rank left out"] if report.ties_dropped else []
    return (
        f"Kept {counts.kept:,} of {counts.total:,} detections "
        f"({'; '.join([*_reached(report), *ties, f'limit {report.max_bytes:,} bytes'])}): "
        f"{report.bytes:,} bytes."
    )


def _reached(report: CutReport) -> list[str]:
    if report.threshold is not None:
        return [f"score >= {report.threshold:g}"]
    thresholds = [row.threshold for row in report.per_class if row.threshold is not None]
    if not thresholds:
        return []
    return [f"score >= {min(thresholds):g} to {max(thresholds):g}, by class"]
