"""Detectors built from a description of their layers, with initial weights from a seed."""

import re
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import Any

import torch
import yaml
from yolov5.models.common import Conv
from yolov5.models.yolo import DetectionModel

from parkdet.errors import UserError

# fmt: off
MODULES = frozenset((
    "Bottleneck", "BottleneckCSP", "C3", "C3Ghost", "C3SPP", "C3TR", "C3x", "Concat", "Contract",
    "Conv", "CrossConv", "DWConv", "DWConvTranspose2d", "Detect", "Expand", "Focus",
    "GhostBottleneck", "GhostConv", "MixConv2d", "SPP", "SPPF", "nn.BatchNorm2d",
    "nn.ConvTranspose2d", "nn.MaxPool2d", "nn.Upsample", "nn.ZeroPad2d",
))
# fmt: on
ARGUMENTS = frozenset(("None", "True", "False", "nc", "anchors", "nearest", "bilinear"))
ACTIVATION = re.compile(
    r"nn\.(SiLU|ReLU|ReLU6|Hardswish|Mish|Identity)\(\)|nn\.LeakyReLU\([0-9.]*\)"
)
LARGEST_NUMBER, LARGEST_MULTIPLE = 10_000, 4  # larger ones would be a way to exhaust the memory


def architecture_names() -> list[str]:
    """Names of the architectures that the yolov5 package ships, such as ``yolov5n``."""
    return sorted(_architecture_files())


def read_architecture(name: str) -> dict[str, Any]:
    """The layers, anchors and multiples of an architecture by name.

    Raises:
        UserError: no such architecture; the message lists the names.
    """
    file = _architecture_files().get(name)
    if file is None:
        known = ", ".join(architecture_names())
        raise UserError(f"There is no architecture `{name}`; choose one of: {known}.")
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def _architecture_files() -> dict[str, Path]:
    folder = Path(str(resources.files("yolov5"))) / "models"
    return {
        file.stem: file for place in (folder, folder / "hub") for file in place.glob("yolo*.yaml")
    }


def check_architecture(architecture: dict[str, Any]) -> None:
    """Refuses any text in a description of layers that is not a known layer or option.

    yolov5 evaluates these texts as Python, and the description may come from a stranger's file.

    Raises:
        UserError: names the first text that is not allowed, or the part that is missing.
    """
    try:
        rows = [*architecture["backbone"], *architecture["head"]]
        activation = architecture.get("activation")
        named = [(row[2], row[3]) for row in rows]
        wired = [(row[0], row[1]) for row in rows]
        multiples = [architecture[key] for key in ("depth_multiple", "width_multiple")]
        numbers = [architecture["nc"], architecture.get("ch", 3), *_flat(architecture["anchors"])]
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(f"The detector's architecture is not yolov5's: {error!r}.") from error
    for module, arguments in named:
        _allow(module, _is_one_of(module, MODULES))
        for argument in _flat(arguments):
            known = argument is None or _is_one_of(argument, ARGUMENTS)
            _allow(argument, known or _is_number(argument))
    for number in (*numbers, *_flat(wired)):
        _allow(number, _is_number(number))
    for multiple in multiples:
        _allow(multiple, _is_number(multiple) and 0 < multiple <= LARGEST_MULTIPLE)
    if activation is not None:
        _allow(activation, isinstance(activation, str) and bool(ACTIVATION.fullmatch(activation)))


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in _flat(part)]
    return [value]


def _is_one_of(value: Any, names: frozenset[str]) -> bool:
    return isinstance(value, str) and value in names


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= LARGEST_NUMBER


def _allow(value: Any, allowed: bool) -> None:
    if not allowed:
        raise UserError(f"The detector's architecture names {value!r:.80}, which is not allowed.")


def build_model(
    architecture: str | dict[str, Any],
    classes: int,
    seed: int | None = None,
    anchors_per_layer: int | None = None,
) -> DetectionModel:
    """A detector in fp32 on the CPU, in training mode, with initial weights.

    Args:
        architecture: a name such as ``yolov5n`` or a description of the layers.
        classes: number of classes; replaces the architecture's own.
        seed: decides the initial weights (None: 0); the global generators stay as they are.
        anchors_per_layer: number of new anchors per layer, to be fitted by
            ``anchors.fit_anchors``; None keeps the architecture's.

    Raises:
        UserError: unknown or unacceptable architecture.
    """
    named = isinstance(architecture, str)
    layers = read_architecture(architecture) if named else deepcopy(architecture)
    check_architecture(layers)
    layers["nc"] = classes
    if anchors_per_layer:
        layers["anchors"] = anchors_per_layer
    activation = Conv.default_act
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed or 0)
            return DetectionModel(layers)
    except (TypeError, ValueError, IndexError, RuntimeError, AttributeError) as error:
        raise UserError(f"The detector cannot be built from its architecture: {error}") from error
    finally:
        Conv.default_act = activation  # an `activation:` in the layers replaces it for all models


def largest_stride(model: DetectionModel) -> int:
    """Pixels that image sides must be a multiple of: 32, or 64 for architectures ending in 6."""
    return max(int(model.stride.max()), 32)
