"""Checks that anchors fit the boxes, or fits new ones by k-means and evolution, as yolov5 does."""

import logging
from collections.abc import Sequence

import numpy
import torch
from yolov5.models.yolo import DetectionModel
from yolov5.utils.autoanchor import check_anchor_order, kmean_anchors

from parkdet.detector.augment import seeded

log = logging.getLogger("parkdet")

GOOD_RECALL = 0.98
GENERATIONS = 1000


class _Boxes:
    """The parts of a dataset that ``kmean_anchors`` reads."""

    def __init__(self, shapes: numpy.ndarray, labels: Sequence[numpy.ndarray]) -> None:
        self.shapes, self.labels = shapes, labels

    def sides(self, imgsz: int, scales: numpy.ndarray | float = 1.0) -> torch.Tensor:
        """Width and height in pixels of all boxes, (n, 2), with long image sides at ``imgsz``."""
        sizes = imgsz * scales * self.shapes / self.shapes.max(1, keepdims=True)
        sides = [size * label[:, 3:5] for size, label in zip(sizes, self.labels, strict=True)]
        return torch.from_numpy(numpy.concatenate(sides)).float()


def best_possible_recall(anchors: torch.Tensor, sides: torch.Tensor, threshold: float) -> float:
    """Share of boxes whose sides differ from some anchor's by less than the factor ``threshold``.

    Args:
        anchors: (k, 2) widths and heights in pixels.
        sides: (n, 2) widths and heights in pixels.
    """
    ratio = sides[:, None] / anchors[None]
    fit = torch.min(ratio, 1 / ratio).min(2).values.max(1).values
    return (fit > 1 / threshold).float().mean().item()


def fit_anchors(
    model: DetectionModel,
    shapes: numpy.ndarray,
    labels: Sequence[numpy.ndarray],
    threshold: float,
    imgsz: int,
    seed: int = 0,
) -> float:
    """Checks the model's anchors against a training set and replaces poor ones in the model.

    Poor means a best possible recall of at most 0.98. Repeatable: all randomness is from ``seed``.

    Args:
        shapes: (images, 2) width and height of the images in pixels.
        labels: for each image (boxes, 5): class, and centre x, y, width, height as shares.
        threshold: the hyperparameter ``anchor_t``.
        imgsz: training size in pixels.

    Returns:
        The best possible recall of the anchors that the model now has; 1.0 if there is no box.
    """
    boxes = _Boxes(numpy.asarray(shapes, dtype=float), labels)
    if not sum(len(label) for label in labels):
        return 1.0
    head = model.model[-1]
    stride = head.stride.to(head.anchors.device).view(-1, 1, 1)
    scales = numpy.random.default_rng(seed).uniform(0.9, 1.1, (len(boxes.shapes), 1))
    sides = boxes.sides(imgsz, scales)
    recall = best_possible_recall((head.anchors * stride).cpu().view(-1, 2), sides, threshold)
    log.info("anchors: best possible recall %.4f", recall)
    if recall > GOOD_RECALL:
        return recall
    count = head.anchors.numel() // 2
    with seeded(seed):
        fitted = kmean_anchors(boxes, count, imgsz, threshold, GENERATIONS, verbose=False)
    anchors = torch.from_numpy(fitted)
    better = best_possible_recall(anchors, sides, threshold)
    if better <= recall:
        log.info("anchors: fitting found no better ones, the old ones stay")
        return recall
    head.anchors[:] = anchors.to(head.anchors).view_as(head.anchors)
    check_anchor_order(head)  # compares areas in pixels, so before the division
    head.anchors /= stride
    log.info("anchors: fitted to the boxes, best possible recall %.4f", better)
    return better
