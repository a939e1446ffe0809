"""Average precision and recall as defined by COCO, over all classes and for each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import asdict

from parkdet.errors import UserError
from parkdet.evaluation.matching import Matches, match
from parkdet.evaluation.operating_point import NAN, OperatingPoint, Rates, best_f1
from parkdet.submission.records import Detection

# Indices into the tables of COCO's evaluation.
ALL, SMALL, MEDIUM, LARGE = range(4)  # object areas
ONE, TEN, HUNDRED = range(3)  # most detections per image and class
IOU_50, IOU_75 = 0, 5  # of 0.50, 0.55, ..., 0.95


@dataclass(frozen=True)
class ClassMetrics:
    """Figures for one class; NaN where it has no object to be found.

    Attributes:
        images: images with an object of the class.
        boxes: objects to be found (crowds are not counted).
        detections: boxes that the detector reports.
        ar: recall at up to 100 detections per image, mean over IoU 0.50:0.95.
        precision, recall, f1: at ``Metrics.confidence`` and IoU 0.5.
    """

    category_id: int
    name: str
    images: int
    boxes: int
    detections: int
    ap: float
    ap50: float
    ap75: float
    ar: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Metrics:
    """Figures for a set, each a mean over the classes; NaN where there is nothing to be found.

    Attributes:
        ap: mean over IoU 0.50:0.95. All APs are at up to 100 detections per image and class.
        ap_small, ap_medium, ap_large: for objects below 32 x 32 pixels, up to 96 x 96, and above.
        ar1, ar10, ar100: recall at up to that many detections, mean over IoU 0.50:0.95.
        precision, recall, f1: at ``confidence`` and IoU 0.5.
        confidence: least score of a kept detection that gives the highest mean F1.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    precision: float
    recall: float
    f1: float
    confidence: float
    per_class: list[ClassMetrics]


def evaluate(
    truth: dict, detections: Sequence[Detection], matches: Matches | None = None
) -> Metrics:
    """Scores detections against a COCO truth; the figures equal those of pycocotools.

    As in COCO, detections of categories that the truth does not list do not count.

    Args:
        truth: COCO dictionary: images, annotations (area and iscrowd are optional), categories.
        detections: records on these images.
        matches: result of ``match`` for ``scored(truth, detections)`` at IoU 0.5, if at hand.

    Raises:
        UserError: a detection is on an image that the truth does not list.
    """
    detections = scored(truth, detections)
    precision, recall = _accumulate(truth, detections)
    point = best_f1(matches or match(truth, detections))
    return Metrics(
        ap=_mean(precision[:, :, :, ALL, HUNDRED]),
        ap50=_mean(precision[IOU_50, :, :, ALL, HUNDRED]),
        ap75=_mean(precision[IOU_75, :, :, ALL, HUNDRED]),
        ap_small=_mean(precision[:, :, :, SMALL, HUNDRED]),
        ap_medium=_mean(precision[:, :, :, MEDIUM, HUNDRED]),
        ap_large=_mean(precision[:, :, :, LARGE, HUNDRED]),
        ar1=_mean(recall[:, :, ALL, ONE]),
        ar10=_mean(recall[:, :, ALL, TEN]),
        ar100=_mean(recall[:, :, ALL, HUNDRED]),
        ar_small=_mean(recall[:, :, SMALL, HUNDRED]),
        ar_medium=_mean(recall[:, :, MEDIUM, HUNDRED]),
        ar_large=_mean(recall[:, :, LARGE, HUNDRED]),
        precision=point.mean.precision,
        recall=point.mean.recall,
        f1=point.mean.f1,
        confidence=point.confidence,
        per_class=_per_class(truth, detections, precision, recall, point),
    )


def scored(truth: dict, detections: Sequence[Detection]) -> list[Detection]:
    """The detections of categories that a COCO truth lists.

    Raises:
        UserError: one of them is on an image that the truth does not list.
    """
    listed = {category["id"] for category in truth["categories"]}
    detections = [record for record in detections if record.category_id in listed]
    unknown = {record.image_id for record in detections} - {
        image["id"] for image in truth["images"]
    }
    if unknown:
        raise UserError(
            f"There are detections on {len(unknown)} images that the truth does not list, such as "
            f"image_id {min(unknown)}. Give predictions and truth for the same images."
        )
    return detections


def _accumulate(truth: dict, detections: Sequence[Detection]) -> tuple[np.ndarray, np.ndarray]:
    """COCO's tables, -1 where undefined.

    Returns:
        Precision (10 IoUs, 101 recalls, classes by id, 4 areas, 3 detection limits) and recall
        (10 IoUs, classes by id, 4 areas, 3 detection limits).
    """
    classes = len(truth["categories"])
    if not truth["images"] or not classes:
        return np.full((10, 101, classes, 4, 3), -1.0), np.full((10, classes, 4, 3), -1.0)
    from faster_coco_eval import COCO, COCOeval_faster

    objects = [_annotation(number, item) for number, item in enumerate(truth["annotations"], 1)]
    found = [_annotation(number, asdict(item)) for number, item in enumerate(detections, 1)]
    frame = {"images": truth["images"], "categories": truth["categories"]}
    evaluation = COCOeval_faster(
        COCO({**frame, "annotations": objects}), COCO({**frame, "annotations": found}), "bbox"
    )
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval["precision"], evaluation.eval["recall"]


def _annotation(number: int, item: dict) -> dict:
    """Gives an annotation a new id (0 would read as unmatched) and adds the keys it lacks."""
    bbox = list(item["bbox"])
    return {"iscrowd": 0, "area": bbox[2] * bbox[3], **item, "bbox": bbox, "id": number}


def _mean(values: np.ndarray) -> float:
    """Mean of the defined values; COCO marks the others with -1."""
    values = values[values > -1]
    return float(values.mean()) if values.size else NAN


def _per_class(
    truth: dict,
    detections: Sequence[Detection],
    precision: np.ndarray,
    recall: np.ndarray,
    point: OperatingPoint,
) -> list[ClassMetrics]:
    """Figures for each class, by category id, the order of the tables."""
    objects = [item for item in truth["annotations"] if not item.get("iscrowd")]
    boxes = Counter(item["category_id"] for item in objects)
    images = Counter(category for _, category in {_pair(item) for item in objects})
    reported = Counter(record.category_id for record in detections)
    rows = []
    for index, category in enumerate(sorted(truth["categories"], key=lambda item: item["id"])):
        key = category["id"]
        rates = point.per_class.get(key, Rates(NAN, NAN, NAN))
        rows.append(
            ClassMetrics(
                category_id=key,
                name=category["name"],
                images=images[key],
                boxes=boxes[key],
                detections=reported[key],
                ap=_mean(precision[:, :, index, ALL, HUNDRED]),
                ap50=_mean(precision[IOU_50, :, index, ALL, HUNDRED]),
                ap75=_mean(precision[IOU_75, :, index, ALL, HUNDRED]),
                ar=_mean(recall[:, index, ALL, HUNDRED]),
                precision=rates.precision,
                recall=rates.recall,
                f1=rates.f1,
            )
        )
    return rows


def _pair(item: dict) -> tuple[int, int]:
    return item["image_id"], item["category_id"]
