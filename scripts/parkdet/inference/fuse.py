"""One set of detections of an image from those of several detectors."""

from collections.abc import Mapping, Sequence

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
    parts: Sequence[ImageDetections],
    iou: float,
    max_detections: int,
    knowing: Mapping[int, int] | None = None,
) -> ImageDetections:
    """Weighted boxes fusion: boxes that overlap become their mean, weighted by score.

    The score is the mean of the scores, lowered in proportion if fewer boxes than detectors met
    (Solovyev, Wang, Gabruseva, Weighted Boxes Fusion, arXiv 1910.13302, section 3). Of equal scores
    the earlier detector's is fused first.

    Args:
        parts: detections of one image; their classes must mean the same; scores above 0.
        iou: overlap with a fused box above which a box joins it.
        max_detections: most detections that stay, the best by score.
        knowing: how many of the detectors know a class; what is not in it is known to all.
    """
    merged, knowing = _merged(parts), knowing or {}
    fused = [
        _fuse_class(merged, label, iou, knowing.get(label, len(parts)))
        for label in numpy.unique(merged.classes).tolist()
    ]
    if not fused:
        return merged
    found = _merged(fused)
    return _taken(found, numpy.argsort(-found.scores, kind="stable")[:max_detections])


def _fuse_class(found: ImageDetections, label: int, iou: float, detectors: int) -> ImageDetections:
    members = (found.classes == label).nonzero()[0]
    members = members[numpy.argsort(-found.scores[members], kind="stable")]
    boxes, scores = found.boxes[members].astype(float), found.scores[members].astype(float)
    clusters = _clusters(boxes, scores, iou)
    counts, totals = numpy.bincount(clusters), numpy.bincount(clusters, scores)
    edges = [numpy.bincount(clusters, scores * edge) / totals for edge in boxes.T]
    return ImageDetections(
        found.id,
        numpy.stack(edges, axis=1).astype(numpy.float32),
        (totals / numpy.maximum(counts, detectors)).astype(numpy.float32),
        numpy.full(len(counts), label, dtype=numpy.int64),
    )


def _clusters(boxes: numpy.ndarray, scores: numpy.ndarray, iou: float) -> list[int]:
    """Number of the fused box that each box joins, or that it is the first of.

    Args:
        boxes: (n, 4), best first; each is compared with the means of those before it.
    """
    areas_of = (boxes[:, 2:] - boxes[:, :2]).prod(1).tolist()
    signed = boxes * (-1, -1, 1, 1)  # so that the common part of two boxes is one minimum
    means, areas = numpy.empty((4, len(boxes))), numpy.empty(len(boxes))  # of the fused boxes
    totals: list[float] = []
    clusters = []
    for box, area, score in zip(signed, areas_of, scores.tolist(), strict=True):
        fused = len(totals)
        overlaps = _overlaps(box, area, means[:, :fused], areas[:fused])
        joined = int(overlaps.argmax()) if fused else 0
        if not fused or overlaps[joined] <= iou:
            joined = fused
            means[:, joined], areas[joined] = box, area
            totals.append(score)
        else:
            totals[joined] += score
            means[:, joined] += (box - means[:, joined]) * (score / totals[joined])
            left, top, right, bottom = means[:, joined].tolist()
            areas[joined] = (left + right) * (top + bottom)
        clusters.append(joined)
    return clusters


def _overlaps(
    box: numpy.ndarray, area: float, others: numpy.ndarray, areas: numpy.ndarray
) -> numpy.ndarray:
    """IoU of a box, (4,), with others, (4, n); left and top are negative."""
    common = numpy.minimum(others, box[:, None])
    width, height = (common[:2] + common[2:]).clip(0)
    common = width * height
    return common / numpy.maximum(areas + area - common, 1e-9)


def _merged(parts: Sequence[ImageDetections]) -> ImageDetections:
    arrays = (
        numpy.concatenate([getattr(part, name) for part in parts])
        for name in ("boxes", "scores", "classes")
    )
    return ImageDetections(parts[0].id, *arrays)


def _taken(found: ImageDetections, rows: numpy.ndarray) -> ImageDetections:
    return ImageDetections(found.id, found.boxes[rows], found.scores[rows], found.classes[rows])
