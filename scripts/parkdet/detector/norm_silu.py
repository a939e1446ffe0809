"""Batch normalisation and SiLU as one operation on a CPU, where they are memory-bound."""

import ctypes
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from torch import nn
from yolov5.models.common import Conv

from parkdet.detector.compiled import load_compiled

SOURCE = "norm_silu"
TYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


def fuse_norm_silu(model: nn.Module) -> None:
    """Lets a model on a CPU train with the compiled operation; without a compiler does nothing.

    The names, shapes and meaning of its weights do not change. In eval mode it computes as before.
    """
    if load_compiled(SOURCE) is None:
        return
    for module in model.modules():
        if isinstance(module, Conv) and isinstance(module.act, nn.SiLU):
            module.bn.__class__ = NormSiLU
            module.act = nn.Identity()


def plain_norm_silu(model: nn.Module) -> None:
    """Undoes :func:`fuse_norm_silu`."""
    for module in model.modules():
        if isinstance(module, Conv) and isinstance(getattr(module, "bn", None), NormSiLU):
            module.bn.__class__ = nn.BatchNorm2d
            module.act = nn.SiLU()


def compiled_identity() -> str | None:
    """Identifies what decides the compiled operation's last bits; None if not compiled here."""
    loaded = load_compiled(SOURCE)
    return loaded[1] if loaded else None


class NormSiLU(nn.BatchNorm2d):
    """Batch normalisation followed by SiLU."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalises and activates (n, channels, height, width)."""
        channels_last = images.is_contiguous(memory_format=torch.channels_last)
        if not (self.training and channels_last and images.dtype in TYPES):
            return nn.functional.silu(super().forward(images))
        self.num_batches_tracked.add_(1)
        return _NormSiLU.apply(
            images,
            self.weight,
            self.bias,
            self.running_mean,
            self.running_var,
            self.momentum,
            self.eps,
        )


class _NormSiLU(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        images: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        running_mean: torch.Tensor,
        running_var: torch.Tensor,
        momentum: float,
        epsilon: float,
    ) -> torch.Tensor:
        activated, mean, inverse = (torch.empty_like(like) for like in (images, weight, weight))
        _operation("forward", images.dtype)(
            *_addresses(images, activated),
            *_rows_and_channels(images),
            *_addresses(weight, bias, running_mean, running_var),
            *(momentum, epsilon, mean.data_ptr(), inverse.data_ptr()),
        )
        context.save_for_backward(images, weight, bias, mean, inverse)
        return activated

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        images, weight, bias, mean, inverse = context.saved_tensors
        stride = _row_stride(gradient)
        if stride is None:
            gradient = gradient.contiguous(memory_format=torch.channels_last)
            stride = images.shape[1]
        found = tuple(torch.empty_like(like) for like in (images, weight, bias))
        _operation("backward", images.dtype)(
            *_addresses(images, gradient),
            *(stride, found[0].data_ptr(), *_rows_and_channels(images)),
            *_addresses(weight, bias, mean, inverse, *found[1:]),
        )
        return *found, None, None, None, None


def _rows_and_channels(images: torch.Tensor) -> tuple[int, int]:
    return images.numel() // images.shape[1], images.shape[1]


def _row_stride(images: torch.Tensor) -> int | None:
    """Values from one pixel to the next, if constant and a pixel's channels are adjacent."""
    count, channels, height, width = images.shape
    by_image, by_channel, by_line, by_pixel = images.stride()
    sizes = ((count, by_image, height * width), (height, by_line, width), (width, by_pixel, 1))
    distances = {divmod(stride, pixels) for size, stride, pixels in sizes if size > 1}
    distance, rest = distances.pop() if distances else (channels, 0)
    neighbours = by_channel == 1 or channels == 1
    return distance if neighbours and not rest and not distances else None


def _addresses(*tensors: torch.Tensor) -> Iterator[int]:
    return (tensor.data_ptr() for tensor in tensors)


@cache
def _operation(direction: str, kind: torch.dtype) -> Callable[..., None]:
    """The compiled function; its parameters are those in the C++ file, and go unchecked."""
    library, _ = load_compiled(SOURCE)
    function = library[f"{SOURCE}_{direction}_{TYPES[kind]}"]
    address, size, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
    function.argtypes = {
        "forward": [*(address,) * 2, *(size,) * 2, *(address,) * 4, *(real,) * 2, *(address,) * 2],
        "backward": [*(address,) * 2, size, address, *(size,) * 2, *(address,) * 6],
    }[direction]
    function.restype = None
    return function
