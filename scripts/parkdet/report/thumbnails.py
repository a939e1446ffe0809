"""Scaled-down images, as text that a page can embed."""

import base64
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

QUALITY = 50  # of WebP


class Thumbnail(NamedTuple):
    """A small image as a data URI, and the size of the image it was made from."""

    uri: str
    width: int
    height: int


def thumbnail(path: Path, side: int) -> Thumbnail | None:
    """An image file scaled down to fit ``side`` pixels; None if it cannot be read."""
    try:
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        picture = None
    if picture is None:
        return None
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    text = base64.b64encode(data).decode("ascii")
    return Thumbnail(f"data:image/webp;base64,{text}", width, height)
