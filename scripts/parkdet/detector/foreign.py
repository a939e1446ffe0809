"""The model in yolov5's own checkpoints (v5 to v7), which are pickled modules."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from parkdet.detector.inert_pickle import Record
from parkdet.detector.plain import plain
from parkdet.detector.stored_tensors import DTYPES, TensorReader

DEEPEST, MOST_MODULES = 40, 20_000


@dataclass(frozen=True)
class ForeignModel:
    """The parts of a yolov5 checkpoint that are used."""

    architecture: dict[str, Any]
    names: list[str]
    state: dict[str, torch.Tensor]
    imgsz: int
    """Image size it was trained at, in pixels; 0: the file does not say."""


# fmt: off
MODULES = {
    "yolo": ("Model", "DetectionModel", "Detect"),
    "common": (
        "Bottleneck", "BottleneckCSP", "C3", "C3Ghost", "C3SPP", "C3TR", "C3x", "Concat",
        "Contract", "Conv", "CrossConv", "DWConv", "DWConvTranspose2d", "Expand", "Focus",
        "GhostBottleneck", "GhostConv", "SPP", "SPPF", "TransformerBlock", "TransformerLayer",
    ),
    "experimental": ("CrossConv", "GhostBottleneck", "GhostConv", "MixConv2d"),
}
LAYERS = {
    "activation": (
        "Hardswish", "LeakyReLU", "Mish", "MultiheadAttention", "ReLU", "ReLU6", "SiLU",
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
BESIDE = (  # containers, tensors, and what is stored with the model: options, dates, fitness
    "collections.OrderedDict", "__builtin__.set", "builtins.set",
    "torch.Size", "torch.device", "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter", *DTYPES,
    "_codecs.encode", "numpy.dtype", "numpy.ndarray",
    "numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct",
    "argparse.Namespace", "pathlib.PosixPath", "pathlib.WindowsPath",
)
# fmt: on
PACKAGES = (("models", MODULES), ("yolov5.models", MODULES), ("torch.nn.modules", LAYERS))
ALLOWED = frozenset(BESIDE) | {
    f"{package}.{module}.{name}"
    for package, table in PACKAGES
    for module, names in table.items()
    for name in names
}


def foreign_model(content: dict[str, Any], tensors: TensorReader) -> ForeignModel:
    """The model of a yolov5 checkpoint, the moving average if the file has one.

    Args:
        content: what the checkpoint's pickle holds, read with the names `ALLOWED`.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: not a detector's checkpoint.
    """
    record = content.get("ema") or content["model"]
    architecture = plain(record.state["yaml"])
    names = _names(plain(record.state["names"]))
    walk = _Walk(tensors)
    return ForeignModel(architecture, names, dict(walk.down(record)), _image_size(content))


def _names(names: Any) -> list[str]:
    if isinstance(names, dict):
        names = [names[index] for index in range(len(names))]
    return [str(name) for name in names]


def _image_size(content: dict[str, Any]) -> int:
    options = content.get("opt")
    options = options.state if isinstance(options, Record) else options
    size = options.get("imgsz") if isinstance(options, dict) else None
    return size if type(size) is int else 0


class _Walk:
    """Walks a recorded module and its submodules; a file may nest or repeat them endlessly."""

    def __init__(self, tensors: TensorReader) -> None:
        self._tensors = tensors
        self._modules = 0

    def down(self, record: Any, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
        """Parameters and buffers under the names that ``state_dict`` gives."""
        self._modules += 1
        if self._modules > MOST_MODULES or prefix.count(".") > DEEPEST:
            raise ValueError("modules nested too deeply, or too many")
        fields = record.state
        not_stored = _texts(fields.get("_non_persistent_buffers_set"))
        for group in ("_parameters", "_buffers"):
            for name, tensor in fields[group].items():
                if tensor is not None and name not in not_stored:
                    yield f"{prefix}{name}", self._tensors.read(tensor)
        for name, module in fields["_modules"].items():
            if module is not None:
                yield from self.down(module, f"{prefix}{name}.")


def _texts(recorded_set: Any) -> list[Any]:
    """The members of a recorded set; none if there is no set."""
    match recorded_set:
        case None | Record(_, ()):
            return []
        case Record("__builtin__.set" | "builtins.set", (list(members),)):
            return members
    raise ValueError("there is something else where a set should be")
