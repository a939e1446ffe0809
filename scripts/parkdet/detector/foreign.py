"""Reads yolov5's own checkpoints, which are pickled modules, without running any code of theirs.

A pickle names classes and functions, and unpickling calls them. Here every name that official
checkpoints of yolov5 v5 to v7 use stands for an inert record, any other name ends the reading, and
tensors are made from the archive's bytes by code of this module.
"""

import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from parkdet.detector.archive import Archive
from parkdet.detector.plain import plain
from parkdet.errors import UserError

DEEPEST = 40


@dataclass(frozen=True)
class ForeignModel:
    """What is used of a yolov5 checkpoint."""

    architecture: dict[str, Any]
    names: list[str]
    state: dict[str, torch.Tensor]
    imgsz: int
    """Size it was trained at in pixels; 0: the file does not say."""


class Record:
    """Stands in for an object of a class that is named in a file: keeps its state, does nothing."""

    def __init__(self, *arguments: object) -> None:
        self.state: Any = None

    def __setstate__(self, state: object) -> None:
        self.state = state


@dataclass(frozen=True)
class _Storage:
    dtype: torch.dtype
    member: str


@dataclass(frozen=True)
class _Tensor:
    storage: Any
    offset: Any
    shape: Any
    stride: Any


def _tensor(storage: object, offset: object, shape: object, stride: object, *_: object) -> _Tensor:
    return _Tensor(storage, offset, shape, stride)


def _parameter(tensor: object, *_: object) -> object:
    return tensor


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError("bytes in another encoding than latin1")
    return text.encode("latin1")


# fmt: off
MODULES = {
    "yolo": ("Model", "DetectionModel", "BaseModel", "Detect"),
    "common": (
        "Bottleneck", "BottleneckCSP", "C3", "C3Ghost", "C3SPP", "C3TR", "C3x", "Concat",
        "Contract", "Conv", "CrossConv", "DWConv", "DWConvTranspose2d", "Expand", "Focus",
        "GhostBottleneck", "GhostConv", "SPP", "SPPF", "TransformerBlock", "TransformerLayer",
    ),
    "experimental": ("CrossConv", "GhostBottleneck", "GhostConv", "MixConv2d", "Sum"),
}
LAYERS = {
    "activation": (
        "Hardswish", "Identity", "LeakyReLU", "Mish", "MultiheadAttention", "ReLU", "ReLU6",
        "SiLU", "Sigmoid",
    ),
    "batchnorm": ("BatchNorm2d",),
    "container": ("ModuleList", "Sequential"),
    "conv": ("Conv2d", "ConvTranspose2d"),
    "dropout": ("Dropout",),
    "linear": ("Identity", "Linear", "NonDynamicallyQuantizableLinear"),
    "normalization": ("LayerNorm",),
    "padding": ("ZeroPad2d",),
    "pooling": ("MaxPool2d",),
    "upsampling": ("Upsample",),
}
STORAGES = {
    "BFloat16Storage": torch.bfloat16, "BoolStorage": torch.bool, "ByteStorage": torch.uint8,
    "CharStorage": torch.int8, "DoubleStorage": torch.float64, "FloatStorage": torch.float32,
    "HalfStorage": torch.float16, "IntStorage": torch.int32, "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}
# fmt: on


def _allowed() -> dict[tuple[str, str], Any]:
    packages = ("models", "yolov5.models")
    return {
        **{
            (f"{package}.{module}", name): Record
            for package in packages
            for module, names in MODULES.items()
            for name in names
        },
        **{
            (f"torch.nn.modules.{module}", name): Record
            for module, names in LAYERS.items()
            for name in names
        },
        **{("torch", name): dtype for name, dtype in STORAGES.items()},
        ("torch", "Size"): tuple,
        ("torch", "device"): Record,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_parameter"): _parameter,
        ("collections", "OrderedDict"): OrderedDict,
        ("__builtin__", "set"): set,
        ("builtins", "set"): set,
        ("_codecs", "encode"): _encode,
        ("argparse", "Namespace"): Record,
        ("pathlib", "PosixPath"): Record,
        ("pathlib", "WindowsPath"): Record,
        ("numpy", "dtype"): Record,
        ("numpy", "ndarray"): Record,
        **{
            (f"numpy.{core}.multiarray", name): Record
            for core in ("core", "_core")
            for name in ("scalar", "_reconstruct")
        },
    }


ALLOWED = _allowed()


class _Unpickler(pickle.Unpickler):
    """Resolves names and storages from fixed tables only."""

    def __init__(self, archive: Archive) -> None:
        super().__init__(io.BytesIO(archive.read("data.pkl")))
        self._archive = archive

    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            what = f"{module}.{name}"
            raise self._archive.refusal(
                f"it names {what!r:.100}, which no yolov5 checkpoint needs; nothing of it was run"
            ) from None

    def persistent_load(self, identity: Any) -> _Storage:
        kind, dtype, member, _device, _length = identity
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(member, str):
            raise pickle.UnpicklingError("a reference to something that is not a storage")
        return _Storage(dtype, member)


def read_foreign(archive: Archive) -> ForeignModel:
    """Reads the model of a yolov5 checkpoint, the moving average if the file has one.

    Raises:
        UserError: names a class or function that is not allowed, is damaged, or is not a detector's
            checkpoint; no code of the file was run.
    """
    try:
        content = _Unpickler(archive).load()
        record = content.get("ema") or content["model"]
        fields = record.state
        architecture = plain(fields["yaml"])
        names = _names(plain(fields["names"]))
        state = dict(_walk(record, "", archive, 0))
    except UserError:
        raise
    except Exception as error:  # a hostile file can make unpickling fail in any way
        reason = f"it does not read as a yolov5 detector ({type(error).__name__}: {error!s:.100})"
        raise archive.refusal(reason) from error
    return ForeignModel(architecture, names, state, _image_size(content))


def _names(names: Any) -> list[str]:
    if isinstance(names, dict):
        names = [names[index] for index in range(len(names))]
    return [str(name) for name in names]


def _image_size(content: dict[str, Any]) -> int:
    options = content.get("opt")
    options = options.state if isinstance(options, Record) else options
    size = options.get("imgsz") if isinstance(options, dict) else None
    return size if type(size) is int else 0


def _walk(
    record: Any, prefix: str, archive: Archive, depth: int
) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and buffers of a recorded module under the names that ``state_dict`` gives."""
    if depth > DEEPEST:
        raise ValueError("modules nested too deeply")
    fields = record.state
    fleeting = fields.get("_non_persistent_buffers_set", ())
    for group in ("_parameters", "_buffers"):
        for name, tensor in fields[group].items():
            if tensor is not None and name not in fleeting:
                yield f"{prefix}{name}", _read_tensor(tensor, archive)
    for name, module in fields["_modules"].items():
        if module is not None:
            yield from _walk(module, f"{prefix}{name}.", archive, depth + 1)


def _read_tensor(tensor: _Tensor, archive: Archive) -> torch.Tensor:
    """A tensor from the bytes of its storage; every number of the file is checked first."""
    shape, stride, offset = tuple(tensor.shape), tuple(tensor.stride), tensor.offset
    numbers = (*shape, *stride, offset)
    if len(shape) != len(stride) or any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError("a tensor of impossible shape")
    data = archive.read(f"data/{tensor.storage.member}")
    storage = torch.frombuffer(bytearray(data), dtype=tensor.storage.dtype) if data else None
    if math.prod(shape) == 0:
        return torch.empty(shape, dtype=tensor.storage.dtype)
    last = offset + sum((side - 1) * step for side, step in zip(shape, stride, strict=True))
    if storage is None or last >= len(storage) or math.prod(shape) > len(storage):
        raise ValueError("a tensor larger than its storage")
    return torch.as_strided(storage, shape, stride, offset).clone()
