"""What a cut did, as JSON and in words."""

from typing import Literal

import msgspec
import numpy as np

Method = Literal["global", "threshold"]


class Counts(msgspec.Struct):
    """Detections before and after the cut."""

    total: int
    kept: int
    left_out: int


class ClassCounts(msgspec.Struct):
    """Detections of one category before and after the cut."""

    category_id: int
    total: int
    kept: int
    left_out: int


class CutReport(msgspec.Struct):
    """What a cut did.

    Attributes:
        bytes: size of the file written, always below ``max_bytes``.
        threshold: least score kept (global; none if nothing was kept) or the t of ``threshold``.
        ties_dropped: detections left out whose score equals the least score kept.
    """

    method: Method
    max_bytes: int
    bytes: int
    threshold: float | None
    ties_dropped: int
    detections: Counts
    per_class: list[ClassCounts]


def count_classes(categories: np.ndarray, chosen: np.ndarray) -> list[ClassCounts]:
    """Counts of each category, by id.

    Args:
        categories: (n,) category id.
        chosen: (n,) whether each detection was kept.
    """
    rows = []
    for category in np.unique(categories).tolist():
        of_class = categories == category
        total, kept = int(of_class.sum()), int((of_class & chosen).sum())
        rows.append(ClassCounts(category, total, kept, total - kept))
    return rows


def describe(report: CutReport) -> str:
    """One sentence about a cut, for people."""
    counts = report.detections
    reached = [] if report.threshold is None else [f"score >= {report.threshold:g}"]
    ties = [f"{report.ties_dropped:,} of that score left out"] if report.ties_dropped else []
    return (
        f"Kept {counts.kept:,} of {counts.total:,} detections "
        f"({'; '.join([*reached, *ties, f'limit {report.max_bytes:,} bytes'])}): "
        f"{report.bytes:,} bytes."
    )
