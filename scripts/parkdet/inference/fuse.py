"""One set of detections of an image from those of several detectors."""

from collections.abc import Sequence

import numpy
import torch
from torchvision.ops import batched_nms

from parkdet.inference.predict import ImageDetections


def fuse_by_nms(
    parts: Sequence[ImageDetections], iou: float, max_detections: int
) -> ImageDetections:
    """Non-maximum suppression, class by class, over the detections of all detectors.

    Args:
        parts: detections of one image; their classes must mean the same.
        iou: overlap above which the weaker of two boxes of a class goes.
        max_detections: most detections that stay, the best by score.
    """
    merged = _merged(parts)
    tensors = (torch.from_numpy(part) for part in (merged.boxes, merged.scores, merged.classes))
    return _taken(merged, batched_nms(*tensors, iou)[:max_detections].numpy())


def fuse_by_wbf(
    parts: Sequence[ImageDetections], iou: float, max_detections: int
) -> ImageDetections:
    """Weighted boxes fusion: boxes that overlap become their mean, weighted by score.

    The score is the mean of the scores, lowered in proportion if fewer boxes than detectors met
    (Solovyev, Wang, Gabruseva, Weighted Boxes Fusion, arXiv 1910.13302, section 3).

    Args:
        parts: detections of one image; their classes must mean the same.
        iou: overlap with a fused box above which a box joins it.
        max_detections: most detections that stay, the best by score.
    """
    merged = _merged(parts)
    fused = [_fuse_class(merged, label, iou, len(parts)) for label in numpy.unique(merged.classes)]
    if not fused:
        return merged
    found = _merged(fused)
    return _taken(found, numpy.argsort(-found.scores, kind="stable")[:max_detections])


def _fuse_class(found: ImageDetections, label: int, iou: float, detectors: int) -> ImageDetections:
    members = (found.classes == label).nonzero()[0]
    members = members[numpy.argsort(-found.scores[members], kind="stable")]
    sums = numpy.zeros((len(members), 4))  # of score x box; one row a fused box
    weights, counts = numpy.zeros(len(members)), numpy.zeros(len(members))
    fused = 0
    for box, score in zip(found.boxes[members], found.scores[members], strict=True):
        means = sums[:fused] / weights[:fused, None]
        overlaps = _overlaps(box, means)
        best = int(overlaps.argmax()) if fused else 0
        if not fused or overlaps[best] <= iou:
            best, fused = fused, fused + 1
        sums[best] += score * box.astype(float)
        weights[best] += score
        counts[best] += 1
    sums, weights, counts = sums[:fused], weights[:fused], counts[:fused]
    scores = weights / counts * numpy.minimum(counts, detectors) / detectors
    boxes = (sums / weights[:, None]).astype(numpy.float32)
    return ImageDetections(
        found.id, boxes, scores.astype(numpy.float32), numpy.full(fused, label, dtype=numpy.int64)
    )


def _overlaps(box: numpy.ndarray, others: numpy.ndarray) -> numpy.ndarray:
    """IoU of a box, (4,), with others, (n, 4)."""
    low, high = numpy.maximum(box[:2], others[:, :2]), numpy.minimum(box[2:], others[:, 2:])
    common = (high - low).clip(0).prod(1)
    areas = (others[:, 2:] - others[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return common / numpy.maximum(areas - common, 1e-9)


def _merged(parts: Sequence[ImageDetections]) -> ImageDetections:
    arrays = (
        numpy.concatenate([getattr(part, name) for part in parts])
        for name in ("boxes", "scores", "classes")
    )
    return ImageDetections(parts[0].id, *arrays)


def _taken(found: ImageDetections, rows: numpy.ndarray) -> ImageDetections:
    return ImageDetections(found.id, found.boxes[rows], found.scores[rows], found.classes[rows])


FUSIONS = {"nms": fuse_by_nms, "wbf": fuse_by_wbf}
