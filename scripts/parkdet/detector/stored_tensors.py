"""Tensors from the bytes in a checkpoint's archive; every number in the file is checked first."""

import math
from typing import Any

import torch

from parkdet.detector.archive import Archive
from parkdet.detector.inert_pickle import Record, Storage

DTYPES = {
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.IntStorage": torch.int32,
    "torch.LongStorage": torch.int64,
}


class TensorReader:
    """Makes the tensors that a checkpoint's pickle describes, on the CPU, each with its own memory.

    Together they read no more than twice the file's size, so that a small file cannot fill the
    memory by describing one storage many times.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._bytes_left = 2 * archive.size

    def read(self, described: Any) -> torch.Tensor:
        """A tensor from its description.

        Raises:
            ValueError: not a tensor, or one of impossible shape, kind or size.
            UserError: its bytes are missing or damaged.
        """
        match described:
            case Record("torch._utils._rebuild_parameter", (tensor, *_)):
                return self.read(tensor)
            case Record(
                "torch._utils._rebuild_tensor_v2", (Storage() as storage, offset, shape, stride, *_)
            ):
                return self._view(storage, offset, _sides(shape), _sides(stride))
        raise ValueError("there is something else where a tensor should be")

    def _view(
        self, storage: Storage, offset: Any, shape: tuple[int, ...], stride: tuple[int, ...]
    ) -> torch.Tensor:
        numbers = (*shape, *stride, offset)
        if len(shape) != len(stride) or any(type(n) is not int or n < 0 for n in numbers):
            raise ValueError("a tensor of impossible shape")
        elements = self._elements(storage)
        if math.prod(shape) == 0:
            return torch.empty(shape, dtype=DTYPES[storage.kind])
        last = offset + sum((side - 1) * step for side, step in zip(shape, stride, strict=True))
        if last >= len(elements) or math.prod(shape) > len(elements):
            raise ValueError("a tensor larger than its storage")
        return torch.as_strided(elements, shape, stride, offset).clone()

    def _elements(self, storage: Storage) -> torch.Tensor:
        if storage.kind not in DTYPES:
            raise ValueError(f"a storage of the kind {storage.kind}")
        dtype = DTYPES[storage.kind]
        data = self._archive.read(f"data/{storage.member}")
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise ValueError("tensors that together are larger than the file")
        if len(data) != storage.elements * dtype.itemsize:
            raise ValueError("a storage of another size than it says")
        return torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0)


def _sides(shape: Any) -> tuple[Any, ...]:
    match shape:
        case Record("torch.Size", (tuple(sides),)) | tuple(sides) if len(sides) <= 16:
            return sides
    raise ValueError("a tensor of impossible shape")
