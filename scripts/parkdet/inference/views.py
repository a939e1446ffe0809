"""Test-time augmentation: an image is seen at three scales, one of them mirrored."""

import math

import torch
from torch.nn import functional

from parkdet.detector.fast import FastDetector

# Scale, whether mirrored left to right, and the layers used when candidates are joined: the largest
# view then leaves out the layer for large objects and the smallest view the one for small objects,
# which the other views see better.
VIEWS = ((1.0, False, slice(None, -1)), (0.83, True, slice(None)), (0.67, False, slice(1, None)))
GREY = 0.447  # the mean of photographs, used for padding


def candidates_of_views(
    detector: FastDetector, images: torch.Tensor, confidence: float
) -> list[torch.Tensor]:
    """Candidates of all views, joined as yolov5 joins them, in the coordinates of ``images``.

    Args:
        images: (n, 3, height, width), 0 to 1.

    Returns:
        For each image (candidates, 5 + classes), as the detector gives them for one view.
    """
    views = [_candidates_of_view(detector, images, confidence, *view) for view in VIEWS]
    return [torch.cat(candidates) for candidates in zip(*views, strict=True)]


def candidates_by_view(
    detector: FastDetector, images: torch.Tensor, confidence: float
) -> list[list[torch.Tensor]]:
    """For each view what ``candidates_of_views`` gives for all, but from all layers."""
    return [
        _candidates_of_view(detector, images, confidence, scale, mirrored)
        for scale, mirrored, _ in VIEWS
    ]


def _candidates_of_view(
    detector: FastDetector,
    images: torch.Tensor,
    confidence: float,
    scale: float,
    mirrored: bool,
    layers: slice = slice(None),
) -> list[torch.Tensor]:
    view = images.flip(3) if mirrored else images
    found = detector(_scaled(view, scale, int(detector.stride.max())), confidence, layers)
    for candidates in found:
        candidates[:, :4] /= scale
        if mirrored:
            candidates[:, 0] = images.shape[3] - candidates[:, 0]
    return found


def _scaled(images: torch.Tensor, scale: float, step: int) -> torch.Tensor:
    """The images resized, and padded on the right and below to a multiple of ``step`` pixels."""
    if scale == 1:
        return images
    height, width = images.shape[2:]
    size = int(height * scale), int(width * scale)
    images = functional.interpolate(images, size=size, mode="bilinear", align_corners=False)
    below, right = (
        math.ceil(side * scale / step) * step - new
        for side, new in zip((height, width), size, strict=True)
    )
    return functional.pad(images, [0, right, 0, below], value=GREY)
