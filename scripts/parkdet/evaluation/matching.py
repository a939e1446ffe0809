"""Which detections are right at one IoU: COCO's greedy matching."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parkdet.submission.records import Detection

WRONG, RIGHT, IGNORED = 0, 1, -1
MAX_DETECTIONS = 100  # per image and class: COCO's limit


@dataclass(frozen=True)
class Matches:
    """The outcome of each detection.

    Attributes:
        outcomes: (n,) RIGHT, WRONG or IGNORED, in the order of the detections.
        scores: (n,) confidence.
        categories: (n,) category id.
        found: (n,) index of the found object in the truth's annotations; -1 unless right.
        positives: category id -> objects to be found (crowds are not counted).
    """

    outcomes: np.ndarray
    scores: np.ndarray
    categories: np.ndarray
    found: np.ndarray
    positives: Counter[int]


def match(truth: dict, detections: Sequence[Detection], iou: float = 0.5) -> Matches:
    """Compares detections with a COCO truth, as COCO does at one IoU.

    In each image and class each detection, best score first, takes the free object that it overlaps
    most. Detections that overlap only a crowd enough, and those after the first 100 of an image and
    class, are ignored.

    Args:
        truth: COCO dictionary: annotations with image_id, category_id, bbox, maybe iscrowd.
        detections: records of the same images.
        iou: least IoU of a right detection.
    """
    annotations = truth["annotations"]
    objects = defaultdict(list)
    for place, item in enumerate(annotations):
        objects[item["image_id"], item["category_id"]].append(place)
    groups = defaultdict(list)
    for index, record in enumerate(detections):
        groups[record.image_id, record.category_id].append(index)
    scores = np.array([record.score for record in detections], dtype=np.float64)
    outcomes = np.full(len(detections), IGNORED, dtype=np.int8)
    found = np.full(len(detections), -1, dtype=np.int64)
    for key, indices in groups.items():
        order = np.argsort(-scores[indices], kind="stable")[:MAX_DETECTIONS]
        best_first = np.array(indices)[order]
        outcomes[best_first] = WRONG
        if places := objects.get(key):
            boxes = np.array([detections[index].bbox for index in best_first])
            outcomes[best_first], taken = _compare(boxes, [annotations[at] for at in places], iou)
            found[best_first] = np.where(taken >= 0, np.array(places)[taken], -1)
    return Matches(
        outcomes=outcomes,
        scores=scores,
        categories=np.array([record.category_id for record in detections], dtype=np.int64),
        found=found,
        positives=Counter(item["category_id"] for item in annotations if not item.get("iscrowd")),
    )


def _compare(boxes: np.ndarray, objects: list[dict], iou: float) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes (n,) of an image's boxes (n, 4) of one class, best first, and the objects taken."""
    crowd = np.array([bool(item.get("iscrowd")) for item in objects])
    overlaps = box_iou(boxes, np.array([item["bbox"] for item in objects], np.float64), crowd)
    taken = take(overlaps, ~crowd, iou)
    in_crowd = (overlaps[:, crowd] >= iou).any(axis=1)
    return np.where(taken >= 0, RIGHT, np.where(in_crowd, IGNORED, WRONG)), taken


def take(overlaps: np.ndarray, free: np.ndarray, iou: float) -> np.ndarray:
    """The object (n,) that each box takes in turn: the free one that it overlaps most, or -1.

    Args:
        overlaps: (n, m) IoU of boxes, best first, and objects.
        free: (m,) which objects may be taken.
        iou: least IoU; a box that overlaps no free object that much takes none.
    """
    free = free.copy()
    taken = np.full(len(overlaps), -1, dtype=np.int64)
    for row in np.flatnonzero((overlaps >= iou).any(axis=1)):
        candidates = np.where(free, overlaps[row], -1.0)
        best = len(candidates) - 1 - int(candidates[::-1].argmax())  # among equals COCO's, the last
        if candidates[best] >= iou:
            taken[row] = best
            free[best] = False
    return taken


def box_iou(boxes: np.ndarray, objects: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Overlap of each box with each object, (n, m).

    Args:
        boxes: (n, 4) left, top, width, height in pixels.
        objects: (m, 4) likewise.
        crowd: (m,) whether the object is a crowd; its overlap is the share of the box inside it.
    """
    first, second = boxes[:, None], objects[None]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    areas, object_areas = first[..., 2:].prod(axis=-1), second[..., 2:].prod(axis=-1)
    union = np.where(crowd, areas, areas + object_areas - shared)
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
