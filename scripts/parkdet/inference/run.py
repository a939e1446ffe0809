"""From weights and images to a file of detections."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy
import torch
from torch import nn

from parkdet.detector.checkpoints import load_checkpoint, model_from_checkpoint
from parkdet.inference.categories import category_ids, check_names
from parkdet.inference.fuse import fuse_by_nms, fuse_by_wbf
from parkdet.inference.parts import ImageRecords
from parkdet.inference.predict import ImageDetections, PredictSettings, predict
from parkdet.inference.sources import Category, ImageSource
from parkdet.submission.records import Detection, detection, write_detections

log = logging.getLogger("parkdet")


@dataclass(frozen=True)
class Detector:
    """A model ready to infer."""

    model: nn.Module
    category_ids: dict[int, int]
    """Of each class."""
    names: dict[int, str]
    """Of each category."""


def load_detector(weights: Path, categories: Sequence[Category], device: torch.device) -> Detector:
    """The detector of a weights file for images with these categories.

    Raises:
        UserError: the file cannot be used, or none of its classes is a category.
    """
    checkpoint = load_checkpoint(weights)
    ids = category_ids(checkpoint, categories, weights)
    model = model_from_checkpoint(checkpoint).to(device)
    return Detector(model, ids, {ids[index]: checkpoint.names[index] for index in ids})


def detect(
    detectors: Sequence[Detector],
    sources: Sequence[ImageSource],
    settings: PredictSettings,
    device: torch.device,
) -> Iterator[ImageDetections]:
    """Detections of each image in order, fused over the detectors; ``classes`` are category ids.

    By weighted boxes fusion each view of each detector counts as a detector.

    Raises:
        UserError: an image cannot be read, or one category has two names.
    """
    several, count = len(detectors) > 1, settings.results_per_image
    check_names([detector.names for detector in detectors])
    known = [category for detector in detectors for category in detector.names] * count
    fuse = partial(fuse_by_wbf, knowing=Counter(known)) if settings.fuse == "wbf" else fuse_by_nms
    streams = [
        _by_category(detector, sources, settings, device, f"infer {number}" if several else "infer")
        for number, detector in enumerate(detectors, start=1)
    ]
    # Each stream is read once for each result of an image; it gives these one after the other.
    for parts in zip(*(stream for stream in streams for _ in range(count)), strict=True):
        if len(parts) > 1:
            yield fuse(parts, settings.iou, settings.max_detections)
        else:
            yield parts[0]


def _by_category(
    detector: Detector,
    sources: Sequence[ImageSource],
    settings: PredictSettings,
    device: torch.device,
    label: str,
) -> Iterator[ImageDetections]:
    ids = detector.category_ids
    table = numpy.zeros(max(ids) + 1, dtype=numpy.int64)
    table[list(ids)] = list(ids.values())
    settings = replace(settings, classes=tuple(ids))
    for image in predict(detector.model, sources, settings, device, label):
        yield replace(image, classes=table[image.classes])


def image_records(image: ImageDetections) -> ImageRecords:
    """The records of an image in the submission format, by falling score.

    Of records that clipping and rounding made equal the first is given: the format allows no
    others.
    """
    records: dict[tuple, Detection] = {}
    for box, score, category in zip(image.boxes, image.scores, image.classes, strict=True):
        record = detection(image.id, category, box, score)
        records.setdefault((record.category_id, record.bbox, record.score), record)
    return ImageRecords([*records.values()], len(image.scores) - len(records))


def write_records(out: Path, images: Iterable[ImageRecords]) -> None:
    """Writes the records of all images as a list; tells how many there are and were left out."""
    number = equal = 0

    def flat() -> Iterator[Detection]:
        nonlocal number, equal
        for image in images:
            number += 1
            equal += image.equal
            yield from image.records

    count = write_detections(out, flat())
    if equal:
        log.info("%d detections equal another one once clipped and rounded: left out", equal)
    log.info("%d detections on %d images in %s", count, number, out)
