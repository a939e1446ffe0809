"""The records of the detections, image by image, and the file that they are written to."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from parkdet.inference.detect import ImageDetections
from parkdet.inference.parts import ImageRecords
from parkdet.submission.records import Detection, detection, write_detections

log = logging.getLogger("parkdet")


def image_records(image: ImageDetections) -> ImageRecords:
    """The records of an image in the submission format, by descending score.

    Of records that clipping and rounding made equal, only the first is kept: the format allows no
    duplicates.
    """
    records: dict[tuple, Detection] = {}
    for box, score, category in zip(image.boxes, image.scores, image.classes, strict=True):
        record = detection(image.id, category, box, score)
        records.setdefault((record.category_id, record.bbox, record.score), record)
    return ImageRecords([*records.values()], len(image.scores) - len(records))


def write_records(out: Path, images: Iterable[ImageRecords]) -> None:
    """Writes the records of all images as one list; logs how many there are and were left out."""
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
