"""Draws detections on their images."""

import colorsys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from parkdet.errors import UserError
from parkdet.files import atomic_write, read_bytes
from parkdet.inference.sources import ImageList
from parkdet.submission.records import Detection

FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.4
LINE = 2  # pixels; boxes are clipped this far outside the image, so OpenCV's integers suffice


def draw_images(
    truth: ImageList, folder: Path, detections: Sequence[Detection], ids: Sequence[int]
) -> np.ndarray:
    """Draws images side by side, each with its detections.

    Args:
        truth: the images and the categories.
        folder: where the image files are.
        ids: images to draw, from left to right.

    Returns:
        BGR picture, uint8, height x width x 3; shorter images are padded with white below.

    Raises:
        UserError: an id is not in `truth`, or an image cannot be read.
    """
    names = {category.id: category.name for category in truth.categories}
    files = {image.id: image.file_name for image in truth.images}
    unknown = [image_id for image_id in ids if image_id not in files]
    if unknown:
        raise UserError(f"There is no image with the id {unknown[0]}: use ids from the JSON file.")
    pictures = []
    for image_id in ids:
        picture = _read(folder / files[image_id])
        for detection in detections:
            if detection.image_id == image_id:
                _draw(picture, detection, names.get(detection.category_id, "?"))
        pictures.append(picture)
    height = max(picture.shape[0] for picture in pictures)
    padded = [
        np.pad(p, ((0, height - p.shape[0]), (0, 0), (0, 0)), constant_values=255) for p in pictures
    ]
    return np.hstack(padded)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Writes a picture in the format given by the suffix.

    Raises:
        UserError: the suffix is not that of a known format, or the file cannot be written.
    """
    if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise UserError(f"{path} has no suffix of a known image format: use .jpg or .png.")
    with atomic_write(path) as file:
        file.write(cv2.imencode(path.suffix, picture)[1].tobytes())


def _read(path: Path) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(read_bytes(path), np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError(f"Cannot decode {path} as an image: check the file.")
    return picture


def _draw(picture: np.ndarray, detection: Detection, name: str) -> None:
    """Draws one box with its class and score, in the colour of the class."""
    left, top, width, height = detection.bbox
    corners = np.array([(left, top), (left + width, top + height)])
    first, last = (
        corners.clip(-LINE, np.add(picture.shape[1::-1], LINE)).round().astype(int).tolist()
    )
    red, green, blue = colorsys.hsv_to_rgb((detection.category_id * 0.381966) % 1, 0.85, 0.9)
    colour = (255 * blue, 255 * green, 255 * red)
    cv2.rectangle(picture, first, last, colour, LINE, cv2.LINE_AA)
    label = f"{name} {detection.score:.2f}"
    (label_width, label_height), _ = cv2.getTextSize(label, FONT, FONT_SCALE, 1)
    base = max(first[1], label_height + 4)
    cv2.rectangle(
        picture, (first[0], base - label_height - 4), (first[0] + label_width + 2, base), colour, -1
    )
    white = (255, 255, 255)
    cv2.putText(picture, label, (first[0] + 1, base - 3), FONT, FONT_SCALE, white, 1, cv2.LINE_AA)
