"""Which detections are right at one IoU: COCO's greedy matching."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parkdet.submission.records import Detection

WRONG, RIGHT, IGNORED = 0, 1, -1
MAX_DETECTIONS = 100  # of an image and class: COCO's limit


@dataclass(frozen=True)
class Matches:
    """What became of each detection.

    Attributes:
        outcomes: (n,) RIGHT, WRONG or IGNORED, in the order of the detections.
        scores: (n,) confidence.
        categories: (n,) category id.
        positives: category id -> objects to be found (crowds are not).
    """

    outcomes: np.ndarray
    scores: np.ndarray
    categories: np.ndarray
    positives: Counter[int]


def match(truth: dict, detections: Sequence[Detection], iou: float = 0.5) -> Matches:
    """Compares detections with a COCO truth, as COCO does at one IoU.

    In each image and class the detections, best score first, each take the free object that they
    overlap most. Ignored are those that overlap nothing but a crowd enough, and those after the
    first 100 of an image and class.

    Args:
        truth: COCO dictionary: annotations with image_id, category_id, bbox, maybe iscrowd.
        detections: records of the same images.
        iou: least IoU of a right detection.
    """
    objects = defaultdict(list)
    for item in truth["annotations"]:
        objects[item["image_id"], item["category_id"]].append(item)
    groups = defaultdict(list)
    for index, record in enumerate(detections):
        groups[record.image_id, record.category_id].append(index)
    scores = np.array([record.score for record in detections], dtype=np.float64)
    outcomes = np.full(len(detections), IGNORED, dtype=np.int8)
    for key, indices in groups.items():
        order = np.argsort(-scores[indices], kind="stable")[:MAX_DETECTIONS]
        best_first = np.array(indices)[order]
        boxes = np.array([detections[index].bbox for index in best_first])
        outcomes[best_first] = _assign(boxes, objects.get(key, []), iou)
    return Matches(
        outcomes=outcomes,
        scores=scores,
        categories=np.array([record.category_id for record in detections], dtype=np.int64),
        positives=Counter(
            item["category_id"] for item in truth["annotations"] if not item.get("iscrowd")
        ),
    )


def _assign(boxes: np.ndarray, objects: list[dict], iou: float) -> np.ndarray:
    """Outcomes (n,) of one image's boxes (n, 4) of one class, best first."""
    outcomes = np.full(len(boxes), WRONG, dtype=np.int8)
    if not objects:
        return outcomes
    crowd = np.array([bool(item.get("iscrowd")) for item in objects])
    overlaps = box_iou(boxes, np.array([item["bbox"] for item in objects], np.float64), crowd)
    free = ~crowd
    for row in np.flatnonzero((overlaps >= iou).any(axis=1)):
        candidates = np.where(free, overlaps[row], -1.0)
        best = len(candidates) - 1 - int(candidates[::-1].argmax())  # of equals COCO takes the last
        if candidates[best] >= iou:
            outcomes[row] = RIGHT
            free[best] = False
        elif (overlaps[row, crowd] >= iou).any():
            outcomes[row] = IGNORED
    return outcomes


def box_iou(boxes: np.ndarray, objects: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Overlap of each box with each object, (n, m).

    Args:
        boxes: (n, 4) left, top, width, height in pixels.
        objects: (m, 4) likewise.
        crowd: (m,) whether the object is a crowd: then it is the share of the box within it.
    """
    first, second = boxes[:, None], objects[None]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    areas, object_areas = first[..., 2:].prod(axis=-1), second[..., 2:].prod(axis=-1)
    union = np.where(crowd, areas, areas + object_areas - shared)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
