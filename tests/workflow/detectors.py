"""Detectors that need no training."""

from pathlib import Path

import torch

from parkdet.detector.build import build_model
from parkdet.detector.checkpoints import checkpoint_of, save_checkpoint


def save_sharp_detector(path: Path, names: list[str], ids: list[int], seed: int) -> None:
    """An untrained yolov5n whose scores and boxes differ widely from image to image."""
    model = build_model("yolov5n", len(names), seed=seed).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1
    with torch.no_grad():
        model(torch.rand(8, 3, 96, 96, generator=torch.Generator().manual_seed(seed)))
        for layer in model.model[-1].m:
            layer.weight *= 20
    save_checkpoint(path, checkpoint_of(model.eval(), names, ids, 64))
