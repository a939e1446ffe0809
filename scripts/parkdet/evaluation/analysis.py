"""What a detector gets wrong, and where: the content of val_analysis.json."""

import msgspec
import numpy as np

from parkdet.evaluation.average_precision import mean_ap
from parkdet.evaluation.coco_metrics import Metrics
from parkdet.evaluation.conditions import Condition, by_condition
from parkdet.evaluation.confusion import confusion_matrix
from parkdet.evaluation.error_kinds import ERRORS, Kind, Verdicts, count_kinds, gains, judge
from parkdet.evaluation.reliability import (
    LEAST_SCORE,
    Bin,
    expected_calibration_error,
    reliability_bins,
)
from parkdet.evaluation.table import Table, count

IOU = 0.5
AREAS = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, np.inf)}
WORST = 50  # images


class ErrorKind(msgspec.Struct):
    """One kind of error.

    Attributes:
        count: detections (for `missed`: objects) at the analysis's confidence.
        gain: what AP50 would gain without such errors; None if there is no AP.
    """

    kind: str
    count: int
    gain: float | None


class Errors(msgspec.Struct):
    """The errors, and what became of the objects at the analysis's confidence.

    Attributes:
        ap50: the actual AP50.
        right: detections that found an object.
        nearly: objects that a detection would have found with the right class or position.
        missed: all other objects that were not found.
    """

    ap50: float | None
    right: int
    nearly: int
    missed: int
    kinds: list[ErrorKind]


class Confusion(msgspec.Struct):
    """Counts at the analysis's confidence: rows are true classes, columns predicted ones.

    Attributes:
        classes: names of the rows and columns; background comes last.
    """

    classes: list[str]
    counts: list[list[int]]


class Reliability(msgspec.Struct):
    """Scores and the share of right detections, from ``least_score`` up."""

    least_score: float
    expected_calibration_error: float | None
    bins: list[Bin]


class Size(msgspec.Struct):
    """Objects in one of COCO's area ranges; AP and AR are means over IoU 0.50:0.95."""

    name: str
    boxes: int
    ap: float | None
    ar100: float | None


class ImageMistakes(msgspec.Struct):
    """Objects not found and wrong detections in an image, at the analysis's confidence."""

    image_id: int
    file_name: str | None
    not_found: int
    wrong: int


class Analysis(msgspec.Struct):
    """The whole analysis, at one IoU.

    Attributes:
        confidence: that of the best F1; None if there are no detections.
        conditions: kind of condition -> conditions with their AP50.
        worst_images: those with the most mistakes, worst first.
    """

    iou: float
    confidence: float | None
    errors: Errors
    confusion: Confusion
    reliability: Reliability
    sizes: list[Size]
    conditions: dict[str, list[Condition]]
    worst_images: list[ImageMistakes]


def analyse(truth: dict, table: Table, metrics: Metrics) -> Analysis:
    """Derives the figures; NaN becomes null when they are written.

    Args:
        truth: COCO dictionary.
        table: of that truth and the detections, matched at IOU.
        metrics: for the same detections.
    """
    categories = sorted(truth["categories"], key=lambda item: item["id"])
    ids = [item["id"] for item in categories]
    bins = reliability_bins(table.scores, table.right)
    return Analysis(
        iou=IOU,
        confidence=metrics.confidence,
        errors=_errors(table, judge(table, IOU), metrics.confidence),
        confusion=Confusion(
            classes=[item["name"] for item in categories],
            counts=confusion_matrix(table, ids, metrics.confidence, IOU).tolist(),
        ),
        reliability=Reliability(LEAST_SCORE, expected_calibration_error(bins), bins),
        sizes=_sizes(truth, metrics),
        conditions=by_condition(table, truth["images"]),
        worst_images=_worst_images(table, truth["images"], metrics.confidence),
    )


def _errors(table: Table, verdicts: Verdicts, confidence: float) -> Errors:
    kept = table.scores >= confidence
    counts, gained = count_kinds(table, verdicts, kept), gains(table, verdicts)
    right, missed = counts[Kind.RIGHT], counts[Kind.MISSED]
    return Errors(
        ap50=mean_ap(table.categories, table.right, table.positives),
        right=right,
        nearly=len(table.object_categories) - right - missed,
        missed=missed,
        kinds=[ErrorKind(kind.name.lower(), counts[kind], gained[kind]) for kind in ERRORS],
    )


def _sizes(truth: dict, metrics: Metrics) -> list[Size]:
    """COCO's three sizes; as in COCO, an object on the border counts in both."""
    figures = {
        "small": (metrics.ap_small, metrics.ar_small),
        "medium": (metrics.ap_medium, metrics.ar_medium),
        "large": (metrics.ap_large, metrics.ar_large),
    }
    areas = np.array([_area(item) for item in truth["annotations"] if not item.get("iscrowd")])
    return [
        Size(name, int(np.count_nonzero((areas >= low) & (areas <= high))), *figures[name])
        for name, (low, high) in AREAS.items()
    ]


def _area(item: dict) -> float:
    area = item.get("area")
    return item["bbox"][2] * item["bbox"][3] if area is None else area


def _worst_images(table: Table, images: list[dict], confidence: float) -> list[ImageMistakes]:
    kept = table.scores >= confidence
    wrong = count(table.images[kept & ~table.right])
    not_found = count(table.object_images[~table.found_by(kept)])
    rows = [
        ImageMistakes(
            image["id"],
            image.get("file_name"),
            not_found.get(image["id"], 0),
            wrong.get(image["id"], 0),
        )
        for image in images
    ]
    rows = [row for row in rows if row.not_found + row.wrong]
    return sorted(rows, key=lambda row: (-row.not_found - row.wrong, row.image_id))[:WORST]
