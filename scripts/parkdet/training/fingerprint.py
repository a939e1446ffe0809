"""What decides the result of a training, and what else may change its last bits."""

import hashlib
import platform
from importlib import metadata
from typing import Any

import cv2
import msgspec
import numpy as np
import torch

from parkdet.data.training_set import Split
from parkdet.detector.norm_silu import compiled_identity
from parkdet.files import sha256_file
from parkdet.training import ranks
from parkdet.training.settings import Settings


def decisive_settings(
    settings: Settings, train: Split, val: Split | None, precision: str
) -> dict[str, Any]:
    """Everything that decides the result, as plain values; data and weights by their content.

    Args:
        precision: what ``settings.precision`` resolves to on the device.
    """
    return settings.decisive() | {
        "precision": precision,
        "processes": ranks.size(),
        "training data": train.digest(),
        "validation data": sha256_file(val.truth) if val else None,
        "starting weights": sha256_file(settings.weights) if settings.weights else None,
    }


def fingerprint(decisive: dict[str, Any]) -> str:
    """16 hexadecimal digits that identify the decisive settings."""
    text = msgspec.json.encode(decisive, order="deterministic")
    return hashlib.sha256(text).hexdigest()[:16]


def environment(device: torch.device) -> dict[str, Any]:
    """What does not decide the result but may change its last bits.

    numpy makes the random numbers, OpenCV the pixels, and torchvision suppresses boxes.
    """
    return {
        "host": platform.node(),
        "device": str(device),
        "processor": _processor(device),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "torch": torch.__version__.split("+")[0],
        "torchvision": metadata.version("torchvision").split("+")[0],
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "yolov5": metadata.version("yolov5"),
        "compiled": compiled_identity() if device.type == "cpu" else None,
    }


def _processor(device: torch.device) -> str:
    """What computes: kernels are chosen by a GPU's model or a CPU's instruction set."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return torch.backends.cpu.get_cpu_capability()
