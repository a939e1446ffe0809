"""The figures of an evaluation, for metrics.json and as a table for people."""

import math
from dataclasses import asdict
from typing import Any

from parkdet.evaluation.coco_metrics import ClassMetrics, Metrics

BEST_F1 = ("confidence", "precision", "recall", "f1")


def as_record(metrics: Metrics, truth: dict, detections: int) -> dict[str, Any]:
    """The content of metrics.json; NaN becomes null when it is written.

    Args:
        truth: COCO dictionary that the detections were scored against.
        detections: how many were scored.
    """
    figures = asdict(metrics)
    per_class = figures.pop("per_class")
    best_f1 = {name: figures.pop(name) for name in BEST_F1}
    boxes = sum(row["boxes"] for row in per_class)
    return {
        "images": len(truth["images"]),
        "boxes": boxes,
        "detections": detections,
        "max_detections": [1, 10, 100],
        **figures,
        "best_f1": {"iou": 0.5, **best_f1},
        "per_class": per_class,
    }


def table(metrics: Metrics) -> str:
    """A line per class and one for their mean, with precision and recall at the best F1."""
    width = max([len(row.name) for row in metrics.per_class] + [len("all")])
    head = f"{'class':<{width}} {'images':>7} {'boxes':>7}"
    head += "".join(f" {name:>6}" for name in ("AP", "AP50", "AP75", "AR100", "P", "R", "F1"))
    boxes = sum(row.boxes for row in metrics.per_class)
    mean = (metrics.ap, metrics.ap50, metrics.ap75, metrics.ar100)
    at_best = (metrics.precision, metrics.recall, metrics.f1)
    lines = [head, f"{'all':<{width}} {'':>7} {boxes:>7} {_columns(*mean, *at_best)}"]
    for row in metrics.per_class:
        lines.append(f"{row.name:<{width}} {row.images:>7} {row.boxes:>7} {_class_columns(row)}")
    return "\n".join(lines)


def _class_columns(row: ClassMetrics) -> str:
    return _columns(row.ap, row.ap50, row.ap75, row.ar, row.precision, row.recall, row.f1)


def _columns(*values: float) -> str:
    return " ".join(f"{'-' if math.isnan(value) else format(value, '.3f'):>6}" for value in values)
