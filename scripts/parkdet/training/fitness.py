"""The figure that picks the best epoch."""

import math

from parkdet.evaluation.coco_metrics import Metrics


def fitness(metrics: Metrics, kind: str) -> float:
    """``ap50_95``: COCO's AP; ``ap75``: AP at IoU 0.75; ``2022``: 0.1 AP50 + 0.9 AP75.

    Undefined figures (a val set without boxes) count as 0.
    """
    match kind:
        case "ap50_95":
            value = metrics.ap
        case "ap75":
            value = metrics.ap75
        case "2022":
            value = 0.1 * metrics.ap50 + 0.9 * metrics.ap75
        case _:
            raise ValueError(f"unknown fitness {kind}")
    return 0.0 if math.isnan(value) else value
