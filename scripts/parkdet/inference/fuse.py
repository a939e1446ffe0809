"""Fuses what several detectors, or several views, found in an image into one set of detections."""

from collections.abc import Mapping, Sequence

import numpy
import torch
from torchvision.ops import batched_nms

from parkdet.inference.detect import ImageDetections


def fuse_by_nms(
    results: Sequence[ImageDetections], iou: float, max_detections: int
) -> ImageDetections:
    """Non-maximum suppression, class by class, over the detections of all detectors.

    Args:
        results: detections in one image; their classes must mean the same.
        iou: overlap above which the lower-scoring of two boxes of a class is removed.
        max_detections: most detections kept, the best by score.
    """
    joined = _joined(results)
    tensors = (torch.from_numpy(array) for array in (joined.boxes, joined.scores, joined.classes))
    return _rows(joined, batched_nms(*tensors, iou)[:max_detections].numpy())


def fuse_by_wbf(
    results: Sequence[ImageDetections],
    iou: float,
    max_detections: int,
    knowing: Mapping[int, int] | None = None,
) -> ImageDetections:
    """Weighted boxes fusion: boxes that overlap are replaced by their mean, weighted by score.

    The fused score is the mean of the scores, scaled down if fewer boxes than detectors overlap
    (Solovyev, Wang, Gabruseva, Weighted Boxes Fusion, arXiv 1910.13302, section 3). Of boxes with
    equal scores, the earlier detector's is fused first.

    Args:
        results: detections in one image; their classes must mean the same; scores above 0.
        iou: overlap with a fused box above which a box joins it.
        max_detections: most detections kept, the best by score.
        knowing: class -> how many of the detectors know it; all know a class that is not listed.
    """
    joined, knowing = _joined(results), knowing or {}
    fused = [
        _fuse_class(joined, label, iou, knowing.get(label, len(results)))
        for label in numpy.unique(joined.classes).tolist()
    ]
    if not fused:
        return joined
    found = _joined(fused)
    return _rows(found, numpy.argsort(-found.scores, kind="stable")[:max_detections])


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
    """Index of the fused box that each box joins or, if it joins none, starts.

    Args:
        boxes: (n, 4), best first; each is compared with the fused boxes of those before it.
    """
    areas_of = (boxes[:, 2:] - boxes[:, :2]).prod(1).tolist()
    signed = boxes * (-1, -1, 1, 1)  # so that one minimum gives the intersection of two boxes
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
    """IoU of a box, (4,), with others, (4, n); left and top are negated."""
    common = numpy.minimum(others, box[:, None])
    width, height = (common[:2] + common[2:]).clip(0)
    common = width * height
    return common / numpy.maximum(areas + area - common, 1e-9)


def _joined(results: Sequence[ImageDetections]) -> ImageDetections:
    arrays = (
        numpy.concatenate([getattr(result, name) for result in results])
        for name in ("boxes", "scores", "classes")
    )
    return ImageDetections(results[0].id, *arrays)


def _rows(found: ImageDetections, rows: numpy.ndarray) -> ImageDetections:
    return ImageDetections(found.id, found.boxes[rows], found.scores[rows], found.classes[rows])
