"""Builds, reads and writes the records of detections."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from parkdet.files import atomic_write, read_json

LEAST_SIDE = 0.1  # pixels; a side that would round to less is widened to this


class Detection(msgspec.Struct, gc=False):
    """A box in the submission format; fields are written in this order.

    Attributes:
        image_id: as in the JSON file of the images.
        category_id: as in the JSON file of the annotations.
        bbox: left, top, width, height in pixels of the source image.
        score: confidence, 0 to 1.
        segmentation: always empty; the format requires the key.
    """

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float
    segmentation: list = []


def detection(image_id: int, category_id: int, xyxy: Sequence[float], score: float) -> Detection:
    """Builds a record, rounded as the format requires.

    The corners are rounded, not the sides, so a box inside the image stays inside it.

    Args:
        xyxy: left, top, right, bottom in pixels of the source image.
        score: confidence, 0 to 1.

    Returns:
        A record with the box to 0.1 pixels (sides of at least 0.1) and the score to 4 decimals.
    """
    # Adding 0.0 turns a negative zero into a plain one.
    left, top, right, bottom = (round(float(edge), 1) + 0.0 for edge in xyxy)
    width = max(round(right - left, 1), LEAST_SIDE)
    height = max(round(bottom - top, 1), LEAST_SIDE)
    return Detection(
        int(image_id), int(category_id), (left, top, width, height), round(float(score), 4) + 0.0
    )


def read_detections(path: Path) -> list[Detection]:
    """Reads a JSON list of records; keys that are not part of the format are ignored.

    Raises:
        UserError: missing, not JSON, or a record lacks a key or has a value of the wrong type;
            names the file and the place in it.
    """
    return read_json(path, list[Detection])


def write_detections(path: Path, detections: Iterable[Detection]) -> int:
    """Writes records as a compact JSON list, one at a time; the file appears atomically.

    Returns:
        The number of records written.

    Raises:
        UserError: the file cannot be written.
    """
    encode = msgspec.json.Encoder().encode
    count = 0
    with atomic_write(path) as file:
        file.write(b"[")
        for count, record in enumerate(detections, start=1):
            file.write(b"," + encode(record) if count > 1 else encode(record))
        file.write(b"]")
    return count
