"""One or several detectors, whose detections of an image are fused."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy
import torch
from torch import nn

from parkdet.detector.checkpoints import load_checkpoint, model_from_checkpoint
from parkdet.inference.categories import category_ids, check_names
from parkdet.inference.detect import DetectSettings, ImageDetections, detect
from parkdet.inference.fuse import fuse_by_nms, fuse_by_wbf
from parkdet.inference.sources import Category, ImageSource


@dataclass(frozen=True)
class Detector:
    """A model with the categories that it detects."""

    model: nn.Module
    category_ids: dict[int, int]
    """Class index -> category id."""
    names: dict[int, str]
    """Category id -> name."""


def load_detector(weights: Path, categories: Sequence[Category], device: torch.device) -> Detector:
    """Loads the detector in a weights file for images with these categories.

    Raises:
        UserError: the file cannot be used, or none of its classes is one of the categories.
    """
    checkpoint = load_checkpoint(weights)
    ids = category_ids(checkpoint, categories, weights)
    model = model_from_checkpoint(checkpoint).to(device)
    return Detector(model, ids, {ids[index]: checkpoint.names[index] for index in ids})


def detect_and_fuse(
    detectors: Sequence[Detector],
    sources: Sequence[ImageSource],
    settings: DetectSettings,
    device: torch.device,
) -> Iterator[ImageDetections]:
    """Detections in each image, in order, fused over the detectors; ``classes`` are category ids.

    In weighted boxes fusion, each view of each detector counts as a detector.

    Raises:
        UserError: an image cannot be read, or one category has two names.
    """
    several, count = len(detectors) > 1, settings.results_per_image
    check_names([detector.names for detector in detectors])
    known = [category for detector in detectors for category in detector.names] * count
    fuse = partial(fuse_by_wbf, knowing=Counter(known)) if settings.fuse == "wbf" else fuse_by_nms
    iterators = [
        _by_category(detector, sources, settings, device, f"infer {number}" if several else "infer")
        for number, detector in enumerate(detectors, start=1)
    ]
    # An iterator yields the results of an image one after another, so it is read once for each.
    for results in zip(*(iterator for iterator in iterators for _ in range(count)), strict=True):
        if len(results) > 1:
            yield fuse(results, settings.iou, settings.max_detections)
        else:
            yield results[0]


def _by_category(
    detector: Detector,
    sources: Sequence[ImageSource],
    settings: DetectSettings,
    device: torch.device,
    label: str,
) -> Iterator[ImageDetections]:
    ids = detector.category_ids
    table = numpy.zeros(max(ids) + 1, dtype=numpy.int64)
    table[list(ids)] = list(ids.values())
    settings = replace(settings, classes=tuple(ids))
    for image in detect(detector.model, sources, settings, device, label):
        yield replace(image, classes=table[image.classes])
