"""Scoring the averaged weights on the val set after an epoch."""

import logging
from dataclasses import replace

import torch
from torch import nn

from parkdet.data.training_set import Split
from parkdet.errors import StoppedEarly
from parkdet.evaluation.coco_metrics import Metrics, evaluate
from parkdet.files import read_json
from parkdet.inference.detect import DetectSettings, detect
from parkdet.inference.sources import ImageSource
from parkdet.memory import is_out_of_memory
from parkdet.submission.records import Detection, detection
from parkdet.training.faults import free_memory
from parkdet.training.signals import StopRequest

log = logging.getLogger("parkdet")

# As yolov5 validates.
CONFIDENCE = 0.001
IOU = 0.6
MAX_DETECTIONS = 300


class Validator:
    """COCO figures of a model on the val set, in smaller batches once memory has run out."""

    def __init__(
        self, split: Split, imgsz: int, batch_size: int, precision: str, device: torch.device
    ) -> None:
        self._truth = read_json(split.truth)
        self._sources = [
            ImageSource(image.id, path.absolute())
            for image, path in zip(split.images, split.paths, strict=True)
        ]
        self._category_ids = [category.id for category in split.categories]
        self._device = device
        self._settings = DetectSettings(
            imgsz=imgsz,
            confidence=CONFIDENCE,
            iou=IOU,
            max_detections=MAX_DETECTIONS,
            tta=False,
            batch_size=batch_size,
            precision=precision,
            full_batches=False,
        )

    def __call__(self, model: nn.Module, stop: StopRequest) -> Metrics:
        """Predicts and scores.

        Raises:
            StoppedEarly: a stop was requested meanwhile.
        """
        while True:
            try:
                return evaluate(self._truth, self._find(model, stop))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self._settings.batch_size == 1:
                    raise
            # Not inside the handler: there the exception keeps the tensors alive.
            free_memory(self._device)
            smaller = self._settings.batch_size // 2
            self._settings = replace(self._settings, batch_size=smaller)
            log.warning("memory ran out in validation: starting over with batches of %d", smaller)

    def _find(self, model: nn.Module, stop: StopRequest) -> list[Detection]:
        found: list[Detection] = []
        for image in detect(model, self._sources, self._settings, self._device, "validation"):
            if stop:
                raise StoppedEarly("the validation was interrupted")
            found += [
                detection(image.id, self._category_ids[label], box, score)
                for box, score, label in zip(image.boxes, image.scores, image.classes, strict=True)
            ]
        if stop:  # scoring a large set takes long, too
            raise StoppedEarly("the validation was interrupted")
        return found
