"""A detector prepared for fast inference: layers fused, and boxes computed only for candidates."""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import nn
from yolov5.models.common import Conv
from yolov5.models.yolo import Detect, DetectionModel

from parkdet.detector.norm_silu import plain_norm_silu
from parkdet.detector.precision import TYPES, autocast

FUSABLE = {
    "fp32": torch.backends.mkldnn.is_available,
    "bf16": torch.ops.mkldnn._is_mkldnn_bf16_supported,
    "fp16": torch.ops.mkldnn._is_mkldnn_fp16_supported,
}


class FastDetector:
    """A copy of a detector, ready to infer; the model it is made from stays as it is.

    Attributes:
        stride: pixels per cell in each layer that detects, (layers,).
        body: all layers but the last; gives what the last one reads.
        head: the last layer.
    """

    def __init__(self, model: DetectionModel, precision: str, device: torch.device) -> None:
        body = deepcopy(model).eval().requires_grad_(False)
        plain_norm_silu(body)
        body.to(memory_format=torch.contiguous_format).fuse()
        self._precision, self._device = precision, device
        self.head = _Head(body.model[-1], device)
        body.model[-1] = _Features(body.model[-1])
        self.body = body.to(device, memory_format=torch.channels_last)
        if device.type == "cpu" and FUSABLE[precision]():
            _fuse_activations(self.body, TYPES.get(precision, torch.float32))
        self.stride = model.stride

    def __call__(
        self, images: torch.Tensor, confidence: float, layers: slice = slice(None)
    ) -> list[torch.Tensor]:
        """What the detector sees with an objectness above ``confidence``.

        Args:
            images: (n, 3, height, width), 0 to 1.
            layers: which of the detecting layers to use.

        Returns:
            For each image (candidates, 5 + classes) fp32: centre x, y, width, height in pixels,
            objectness, class probabilities; in yolov5's order.
        """
        with autocast(self._precision, self._device):
            features = self.body(images)
        return self.head.candidates(features, confidence, layers)


class _Features(nn.Module):
    """Takes the head's place and passes on what the head would read."""

    def __init__(self, head: Detect) -> None:
        super().__init__()
        self.f, self.i, self.type = head.f, head.i, head.type

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        return features


class _Head:
    """The last layer, in fp32. Most cells see nothing; for them only objectness is computed."""

    def __init__(self, head: Detect, device: torch.device) -> None:
        self._outputs = head.no
        self._weights = [layer.weight.flatten(1).float().to(device) for layer in head.m]
        self._biases = [layer.bias.float().to(device) for layer in head.m]
        self._strides = head.stride.tolist()
        pixels = head.anchors.float() * head.stride.view(-1, 1, 1).to(head.anchors)
        self._anchors = pixels.to(device)  # (layers, anchors, 2) widths and heights

    def candidates(
        self, features: Sequence[torch.Tensor], confidence: float, layers: slice
    ) -> list[torch.Tensor]:
        found = [
            self._in_layer(layer, features[layer], confidence)
            for layer in range(len(features))[layers]
        ]
        return [torch.cat(parts) for parts in zip(*found, strict=True)]

    def _in_layer(
        self, layer: int, features: torch.Tensor, confidence: float
    ) -> list[torch.Tensor]:
        """For each image, the candidates in one layer's features, (n, channels, height, width)."""
        weight, bias = self._weights[layer], self._biases[layer]
        width = features.shape[3]
        results = []
        for cells in features.permute(0, 2, 3, 1).flatten(1, 2):
            rows = slice(4, None, self._outputs)
            objectness = torch.addmm(bias[rows], cells.float(), weight[rows].T).sigmoid_()
            anchor, cell = objectness.T.gt(confidence).nonzero(as_tuple=True)
            outputs = torch.addmm(bias, cells[cell].float(), weight.T)
            outputs = outputs.view(len(cell), objectness.shape[1], self._outputs)
            values = outputs[torch.arange(len(cell), device=cell.device), anchor].sigmoid_()
            corner = torch.stack((cell % width, cell // width), 1) - 0.5
            values[:, :2] = (values[:, :2] * 2 + corner) * self._strides[layer]
            values[:, 2:4] = (values[:, 2:4] * 2) ** 2 * self._anchors[layer][anchor]
            results.append(values)
        return results


def _fuse_activations(model: nn.Module, kind: torch.dtype) -> None:
    for module in model.modules():
        if isinstance(module, Conv) and isinstance(module.act, nn.SiLU):
            module.forward = _ConvolutionSiLU(module.conv, kind)
            del module.conv


class _ConvolutionSiLU:
    """Convolution and SiLU as one operation, SiLU applied while the result is in the cache.

    The weights are kept in the order that oneDNN wants for the first images; images of other shapes
    give the same bits with them as with any other order.
    """

    def __init__(self, layer: nn.Conv2d, kind: torch.dtype) -> None:
        self._weight, self._bias = layer.weight.to(kind), layer.bias.to(kind)
        self._kind = kind
        sizes = layer.padding, layer.stride, layer.dilation
        self._options = (*map(list, sizes), layer.groups)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        images = images.to(self._kind, memory_format=torch.channels_last)
        if not self._weight.is_mkldnn:
            self._weight = torch.ops.mkldnn._reorder_convolution_weight(
                self._weight, *self._options, list(images.shape)
            )
        return torch.ops.mkldnn._convolution_pointwise(
            images, self._weight, self._bias, *self._options, "swish", [], ""
        )
