"""Decides which images and boxes can be used, and repairs some of them."""

import math
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from parkdet.data.annotations import Box, Image, RawAnnotation, RawImage, whole_number
from parkdet.data.images import SUFFIXES
from parkdet.data.issues import Issues

CLIP_TOLERANCE = 0.01  # pixels; less overhang comes from rounding and is not listed
MOST_FOLDERS = 100
LEAST_SIDE = 1e-6  # of the image's side: anything less is 0 in a label with 6 decimals


class Entry(NamedTuple):
    """An entry of ``images`` whose id is a whole number; its size is as declared, unchecked."""

    id: int
    name: str
    width: Any
    height: Any


def name_problem(name: Any) -> str:
    """Why ``name`` cannot name an image inside its folder; an empty string if it can."""
    if not isinstance(name, str) or not name:
        return "image without a file_name"
    if "\0" in name or len(name.splitlines()) != 1 or not _encodable(name):
        return "file_name holds characters that an image list cannot hold"
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        return "file_name leads out of the image folder"
    if str(path) != name:
        return "file_name is not a plain path"
    if len(path.parts) > MOST_FOLDERS:
        return f"file_name leads through more than {MOST_FOLDERS} folders"
    if path.suffix.lower() not in SUFFIXES:
        return "file_name has no supported image suffix"
    return ""


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def usable_entries(
    images: Iterable[RawImage], boxes: Mapping[int, int], issues: Issues
) -> list[Entry]:
    """The training images with a valid id and name, in file order; lists the others as issues.

    An image that is listed twice counts once; an id that stands for two names is left out, since
    nobody can know which of them its boxes belong to.

    Args:
        boxes: number of boxes by image id, to say how many are lost with an image.
    """
    images = list(images)
    lost = dict(boxes)
    ambiguous = _ambiguous_ids(images)
    entries: list[Entry] = []
    ids: set[int] = set()
    names: set[str] = set()
    for image in images:
        number = whole_number(image.id)
        problem = name_problem(image.file_name)
        if number is None:
            problem = "image id is not a whole number"
        elif number in ambiguous:
            problem = "two images have the same id"
        elif number in ids:
            problem = "image is listed twice"
        elif not problem and image.file_name in names:
            problem = "two ids have the same file_name"
        if problem or number is None:
            boxes_lost = 0 if number in ids or number is None else lost.pop(number, 0)
            issues.left_out(problem, image.file_name, image.id, action=with_boxes(boxes_lost))
            continue
        ids.add(number)
        names.add(image.file_name)
        entries.append(Entry(number, image.file_name, image.width, image.height))
    return entries


def _ambiguous_ids(images: Iterable[RawImage]) -> set[int]:
    names: dict[int, Any] = {}
    ambiguous = set()
    for image in images:
        number = whole_number(image.id)
        if number is not None and names.setdefault(number, image.file_name) != image.file_name:
            ambiguous.add(number)
    return ambiguous


def with_boxes(boxes: int) -> str:
    """The action listed for an image that is left out."""
    return f"left out with its {boxes} boxes" if boxes else "left out"


def check_size(entry: Entry, width: int, height: int, issues: Issues) -> None:
    """Lists a declared size that is not the file's; declaring none is no issue."""
    declared = (entry.width, entry.height)
    if declared in ((None, None), (width, height)):
        return
    problem = "size in the annotations is not the file's"
    if declared == (height, width):
        problem = "width and height are swapped in the annotations, or EXIF turns the image"
    action = f"used the file's {width}x{height} instead of {entry.width}x{entry.height}"
    issues.add(problem, action, entry.name, entry.id)


def clip_box(
    box: tuple[float, float, float, float], width: int, height: int
) -> tuple[float, float, float, float] | None:
    """The part of a box (x, y, width, height in pixels) inside the image; None if there is none."""
    x, y, box_width, box_height = box
    if x >= 0 and y >= 0 and x + box_width <= width and y + box_height <= height:
        clipped = box
    else:
        left, top = max(x, 0.0), max(y, 0.0)
        right, bottom = min(x + box_width, float(width)), min(y + box_height, float(height))
        clipped = (left, top, right - left, bottom - top)
    visible = clipped[2] >= LEAST_SIDE * width and clipped[3] >= LEAST_SIDE * height
    return clipped if visible else None


def clean_boxes(
    annotations: Iterable[RawAnnotation],
    images: Mapping[int, Image],
    dropped: set[int],
    classes: set[int],
    issues: Issues,
) -> dict[int, list[Box]]:
    """Usable boxes by image id, clipped to their images, in file order; lists the others as issues.

    Args:
        images: usable images by id.
        dropped: ids of the images already listed as left out with their boxes.
        classes: category ids.
    """
    cleaned: dict[int, list[Box]] = {image_id: [] for image_id in images}
    seen: set[tuple] = set()
    ids: set[int] = set()
    unnumbered = []
    for raw in annotations:
        image_id = whole_number(raw.image_id)
        if image_id in dropped:
            continue
        image = images.get(image_id) if image_id is not None else None
        box, problem = _clean_box(raw, image, classes)
        if box is not None:
            key = (image_id, box.category_id, box.bbox, box.iscrowd)
            problem = "box is listed twice" if key in seen else ""
            seen.add(key)
        if image is None or box is None or problem:
            issues.left_out(problem, image.file_name if image else "", raw.image_id, raw.id)
            continue
        _list_clipping(raw, image, box, issues)
        if raw.iscrowd not in (0, 1):
            problem = "iscrowd is neither 0 nor 1"
            issues.add(problem, f"taken as {box.iscrowd}", image.file_name, image.id, raw.id)
        number = whole_number(raw.id)
        if number is None or number in ids:
            unnumbered.append((raw.id, image, box))
        else:
            ids.add(number)
        cleaned[image.id].append(box)
    _number(unnumbered, ids, issues)
    return cleaned


def _clean_box(
    raw: RawAnnotation, image: Image | None, classes: set[int]
) -> tuple[Box | None, str]:
    """The checked box, or why there is none."""
    if image is None:
        return None, "box of an unknown image"
    category = whole_number(raw.category_id)
    if category not in classes or category is None:
        return None, "box of an unknown category"
    numbers = _four_numbers(raw.bbox)
    if numbers is None:
        return None, "bbox is not four finite numbers"
    if numbers[2] <= 0 or numbers[3] <= 0:
        return None, "box without width or height"
    clipped = clip_box(numbers, image.width, image.height)
    if clipped is None:
        return None, "box is outside the image or too small to see"
    area, crowd = clipped[2] * clipped[3], int(raw.iscrowd == 1)
    return Box(whole_number(raw.id) or 0, image.id, category, clipped, area, crowd), ""


def _four_numbers(bbox: Any) -> tuple[float, float, float, float] | None:
    if not isinstance(bbox, list) or len(bbox) != 4:
        return None
    if any(type(value) not in (int, float) for value in bbox):
        return None
    try:
        x, y, width, height = numbers = tuple(map(float, bbox))
    except OverflowError:
        return None
    return (x, y, width, height) if all(map(math.isfinite, numbers)) else None


def _list_clipping(raw: RawAnnotation, image: Image, box: Box, issues: Issues) -> None:
    change = max(abs(old - new) for old, new in zip(raw.bbox, box.bbox, strict=True))
    if change > CLIP_TOLERANCE:
        numbers = ", ".join(f"{value:g}" for value in raw.bbox)
        issues.add(
            "box reaches beyond the image",
            f"clipped, was [{numbers}]",
            image.file_name,
            image.id,
            raw.id,
        )


def _number(boxes: list[tuple[Any, Image, Box]], taken: set[int], issues: Issues) -> None:
    """Gives boxes without a usable id the free numbers from 1 on; COCO tools need ids."""
    free = (number for number in count(1) if number not in taken)
    for old, image, box in boxes:
        box.id = next(free)
        problem = "annotation id is missing, not a whole number or used twice"
        issues.add(problem, f"numbered {box.id}", image.file_name, image.id, old)
