"""Non-maximum suppression: of overlapping boxes of a class, the best stays."""

from collections.abc import Iterable, Sequence

import torch
from torchvision.ops import nms

CLASS_DISTANCE = 7680.0  # pixels; moves boxes of different classes apart, as yolov5 does


def non_max_suppression(
    predictions: Iterable[torch.Tensor],
    confidence: float,
    iou: float,
    max_detections: int,
    multi_label: bool = True,
    max_candidates: int = 30_000,
    classes: Sequence[int] | None = None,
) -> list[torch.Tensor]:
    """The detections that yolov5's function of this name gives, but without its time limit.

    Args:
        predictions: for each image (candidates, 5 + classes), not changed: centre x, y, width,
            height in pixels, objectness, class probabilities.
        confidence: objectness, and objectness x class probability, must exceed this.
        iou: overlap above which the weaker of two boxes of a class is dropped.
        max_detections: most detections per image.
        multi_label: a candidate may stand for several classes, else for its likeliest.
        max_candidates: most candidates per image that are compared, the best by score.
        classes: class indices to consider; None: all.

    Returns:
        For each image (n, 6): left, top, right, bottom in pixels, score, class; best score first.
    """
    results = []
    for image in predictions:
        found = _candidates(image, confidence, multi_label and image.shape[1] > 6, classes)
        best = found[:, 4].argsort(descending=True, stable=True)[:max_candidates]
        found = found[best]
        apart = found[:, :4] + found[:, 5:6] * CLASS_DISTANCE
        results.append(found[nms(apart, found[:, 4], iou)[:max_detections]])
    return results


def _candidates(
    image: torch.Tensor, confidence: float, multi_label: bool, classes: Sequence[int] | None
) -> torch.Tensor:
    """Boxes, scores and classes above the confidence, (n, 6), of one image's predictions."""
    image = image[image[:, 4] > confidence]
    scores = image[:, 5:] * image[:, 4:5]
    if multi_label:
        row, label = (scores > confidence).nonzero(as_tuple=True)
        score = scores[row, label]
    else:
        score, label = scores.max(1)
        row = (score > confidence).nonzero(as_tuple=True)[0]
        score, label = score[row], label[row]
    centre, half = image[row, :2], image[row, 2:4] / 2
    found = torch.cat(
        (centre - half, centre + half, score[:, None], label[:, None].to(score)), dim=1
    )
    if classes is None:
        return found
    return found[torch.isin(label, torch.tensor(classes, device=label.device))]
