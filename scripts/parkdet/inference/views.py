"""Test-time augmentation: an image is seen in three sizes, once mirrored."""

import math

import torch
from torch import nn
from torch.nn import functional

VIEWS = ((1.0, False), (0.83, True), (0.67, False))  # scale, mirrored left to right
GREY = 0.447  # the mean of photographs, used for padding


def predict_views(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Predictions of all views in the coordinates of the given images, as yolov5 augments.

    The last layer of the largest view and the first of the smallest are left out: there the other
    views see objects of that size better.

    Args:
        images: (n, 3, height, width), 0 to 1.

    Returns:
        (n, candidates, 5 + classes), as the model gives them for one view.
    """
    step, layers = int(model.stride.max()), model.model[-1].nl
    found = []
    for scale, mirrored in VIEWS:
        view = images.flip(3) if mirrored else images
        predictions = model(_scaled(view, scale, step))[0]
        boxes = predictions[..., :4] / scale
        if mirrored:
            boxes[..., 0] = images.shape[3] - boxes[..., 0]
        found.append(torch.cat((boxes, predictions[..., 4:]), dim=-1))
    # Each layer has a quarter of the cells of the one before: 1 of `cells` parts is the last layer.
    cells = sum(4**layer for layer in range(layers))
    last = found[0].shape[1] // cells
    first = found[-1].shape[1] // cells * 4 ** (layers - 1)
    return torch.cat((found[0][:, :-last], *found[1:-1], found[-1][:, first:]), dim=1)


def _scaled(images: torch.Tensor, scale: float, step: int) -> torch.Tensor:
    """The images resized and padded right and below to a multiple of ``step`` pixels."""
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
