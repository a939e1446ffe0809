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
    boxes = numpy.concatenate([part.boxes for part in parts])
    scores = numpy.concatenate([part.scores for part in parts])
    classes = numpy.concatenate([part.classes for part in parts])
    tensors = (torch.from_numpy(values) for values in (boxes, scores, classes))
    kept = batched_nms(*tensors, iou)[:max_detections].numpy()
    return ImageDetections(parts[0].id, boxes[kept], scores[kept], classes[kept])
