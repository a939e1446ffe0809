"""The loss of a detector: yolov5's, with its gains scaled to layers, classes and image size."""

from collections.abc import Callable

import torch
from yolov5.models.yolo import DetectionModel
from yolov5.utils.loss import ComputeLoss

from parkdet.hyperparameters import Hyperparameters

Loss = Callable[[list[torch.Tensor], torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def scaled_gains(hyp: Hyperparameters, imgsz: int, classes: int, layers: int) -> dict[str, float]:
    """The gains ``box``, ``cls`` and ``obj`` as yolov5 scales them before training.

    The given gains are meant for 3 output layers, 80 classes and 640 pixels.
    """
    share = 3 / layers
    return {
        "box": hyp.box * share,
        "cls": hyp.cls * classes / 80 * share,
        "obj": hyp.obj * (imgsz / 640) ** 2 * share,
    }


def count_matches(
    loss: ComputeLoss, outputs: list[torch.Tensor], targets: torch.Tensor
) -> list[int]:
    """For each layer, how many pairs of a cell's anchor and a target the loss matches.

    Args:
        outputs: only the sizes of their grids matter.
    """
    return [len(classes) for classes in loss.build_targets(outputs, targets)[0]]


def build_loss(model: DetectionModel, hyp: Hyperparameters, imgsz: int, classes: int) -> Loss:
    """The loss function of ``model``; built once its anchors are settled and it is on its device.

    Args:
        model: the plain detector, not its distributed wrapper. Its ``hyp`` is set.
        imgsz: training size in pixels.
        classes: number of classes.

    Returns:
        A function of the training outputs (one tensor per layer) and the targets, (n, 6): image
        index, class, and centre x, y, width, height as shares of the image. It returns the loss
        times the batch size, shape (1,), and the detached parts box, obj, cls, shape (3,).
    """
    layers = model.model[-1].nl
    model.hyp = {**hyp.model_dump(), **scaled_gains(hyp, imgsz, classes, layers)}
    return ComputeLoss(model)
