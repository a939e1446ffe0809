"""Reads the objects that detections are scored against."""

from pathlib import Path
from typing import Literal

import msgspec

from parkdet.errors import UserError
from parkdet.files import Id, read_json


class _Image(msgspec.Struct, omit_defaults=True):
    id: Id
    file_name: str | None = None


class _Object(msgspec.Struct, omit_defaults=True):
    image_id: Id
    category_id: Id
    bbox: tuple[float, float, float, float]
    area: float | None = None
    iscrowd: Literal[0, 1] = 0


class _Category(msgspec.Struct):
    id: Id
    name: str


class _Truth(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Object]
    categories: list[_Category]


def read_truth(path: Path) -> dict:
    """Reads a COCO truth: what scoring needs of its images, annotations and categories.

    Raises:
        UserError: missing, malformed, a category id used twice, or an annotation of an image or
            category that the file does not list.
    """
    truth = read_json(path, _Truth)
    images = {image.id for image in truth.images}
    categories = {category.id for category in truth.categories}
    if len(categories) < len(truth.categories):
        raise UserError(f"{path} has a category id more than once. Correct `categories`.")
    for number, item in enumerate(truth.annotations, start=1):
        if item.image_id not in images or item.category_id not in categories:
            raise UserError(
                f"{path}: annotation {number} is of image {item.image_id} and category "
                f"{item.category_id}, which are not both listed in `images` and `categories`. "
                "Give the truth as prepare_dataset.py writes it, or correct the file."
            )
    return msgspec.to_builtins(truth)
