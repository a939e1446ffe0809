"""Checks that the recipient of a submission file can accept it and score it in full."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from parkdet.data.annotations import RawFile, read_raw, whole_number
from parkdet.errors import UserError
from parkdet.files import read_bytes, read_json
from parkdet.submission.records import Detection

STANDARD_KEYS = frozenset(Detection.__struct_fields__)
NUMBERS = (int, float)  # not bool
HUGE = 1e300  # as good as infinite; a much larger int cannot be converted to a float
TOLERANCE = 0.1 + 1e-6  # pixels: coordinates are rounded to 0.1

# Kind of fault -> how messages describe the records that have it.
CHECKS = {
    "keys": "records without exactly the keys of the format",
    "image_id": "records with an image_id that the images file does not list",
    "category_id": "records with a category_id that the annotations do not list",
    "numbers": "records whose bbox is not 4 finite numbers or whose score is not a finite number",
    "size": "boxes without width or height",
    "inside": "boxes that reach beyond their image",
    "score": "scores that are not between 0 and 1",
    "segmentation": "records whose segmentation is not a list",
    "duplicates": "records that repeat an earlier one",
    "bytes": "file not smaller than the limit",
}


class Expectations(NamedTuple):
    """What a submission is checked against.

    Attributes:
        sizes: image id -> (width, height) in pixels, or None if the file does not give them.
        categories: known category ids; empty: not checked.
        keys: the keys of a record.
        max_bytes: the file must be strictly smaller; None: any size.
    """

    sizes: dict[int, tuple[float, float] | None]
    categories: frozenset[int]
    keys: frozenset[str]
    max_bytes: int | None


class Validation(msgspec.Struct):
    """The result for a valid file.

    Attributes:
        checks: those that were made; "inside" and "category_id" need data that may be missing.
        images: all images of the test set.
        images_without_detections: those without a record.
    """

    valid: bool
    checks: list[str]
    bytes: int
    max_bytes: int | None
    detections: int
    images: int
    images_without_detections: int
    per_class: dict[int, int]


def expectations(
    images: Path, train: Path | None, sample: Path | None, max_bytes: int | None
) -> Expectations:
    """Gathers what a submission must agree with.

    Args:
        images: COCO file of the test images, maybe with categories.
        train: COCO file of the training annotations.
        sample: a sample submission, whose first record shows the keys; None: the standard keys.

    Raises:
        UserError: a file is missing or malformed.
    """
    listed = read_raw(images)
    known = _categories(listed) | (_categories(read_raw(train)) if train else set())
    sizes = {whole_number(image.id): _size(image.width, image.height) for image in listed.images}
    keys = _keys_of_sample(sample) if sample else STANDARD_KEYS
    return Expectations(sizes, frozenset(known), keys, max_bytes)


def _categories(file: RawFile) -> set[int]:
    ids = {whole_number(category.id) for category in file.categories}
    return (ids | {whole_number(box.category_id) for box in file.annotations}) - {None}


def _size(width: Any, height: Any) -> tuple[float, float] | None:
    return (width, height) if _finite(width) and _finite(height) else None


def _keys_of_sample(path: Path) -> frozenset[str]:
    records = read_json(path, list)
    if not records or not isinstance(records[0], dict):
        raise UserError(f"{path} has no record to take the keys from. Give a sample that has one.")
    return frozenset(records[0])


def read_records(data: bytes, path: Path) -> list[Any]:
    """Reads a JSON list as it is; NaN and Infinity are let through and later found as faults.

    Raises:
        UserError: not UTF-8 without a byte order mark, not JSON, or not a list; names ``path``.
    """
    try:
        records = json.loads(data.decode("utf-8"))  # given bytes, it would take UTF-16 too
    except (ValueError, RecursionError) as error:
        raise UserError(f"Cannot read {path} as JSON: {error}. Write it again.") from error
    if not isinstance(records, list):
        raise UserError(f"{path} must be a JSON list of records, found {type(records).__name__}.")
    return records


def validate(path: Path, expected: Expectations) -> Validation:
    """Checks a submission file.

    Returns:
        Counts of the valid file.

    Raises:
        UserError: not valid; names each kind of fault, how many there are and the first.
    """
    data = read_bytes(path)
    records = read_records(data, path)
    counts, first = _faults(records, expected)
    if expected.max_bytes is not None and len(data) >= expected.max_bytes:
        counts["bytes"] = 1
        first["bytes"] = f"{len(data):,} bytes, must be less than {expected.max_bytes:,}"
    if counts:
        found = [f"{counts[f]:,} {CHECKS[f]} (first: {first[f]})" for f in CHECKS if counts[f]]
        raise UserError(
            f"{path} is not a valid submission: {'; '.join(found)}. Correct what wrote the file."
        )
    used = {record["image_id"] for record in records}
    return Validation(
        valid=True,
        checks=_checks_made(expected),
        bytes=len(data),
        max_bytes=expected.max_bytes,
        detections=len(records),
        images=len(expected.sizes),
        images_without_detections=len(expected.sizes.keys() - used),
        per_class=dict(sorted(Counter(record["category_id"] for record in records).items())),
    )


def _checks_made(expected: Expectations) -> list[str]:
    left_out = set()
    if not expected.categories:
        left_out.add("category_id")
    if None in expected.sizes.values():
        left_out.add("inside")
    if expected.max_bytes is None:
        left_out.add("bytes")
    if "segmentation" not in expected.keys:
        left_out.add("segmentation")
    return [check for check in CHECKS if check not in left_out]


def _faults(records: list[Any], expected: Expectations) -> tuple[Counter[str], dict[str, str]]:
    """How many faults of each kind there are, and the first of each."""
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    seen = set()
    for number, record in enumerate(records, start=1):
        faults = _faults_of(record, expected)
        if not faults:
            identity = (record["image_id"], record["category_id"], *record["bbox"], record["score"])
            faults = ["duplicates"] if identity in seen else []
            seen.add(identity)
        for fault in faults:
            counts[fault] += 1
            if fault not in first:
                first[fault] = f"record {number}, {json.dumps(record)[:300]}"
    return counts, first


def _faults_of(record: Any, expected: Expectations) -> list[str]:
    """The kinds of fault in one record."""
    if not isinstance(record, dict):
        return ["keys"]
    faults = [] if record.keys() == expected.keys else ["keys"]
    image, category = record.get("image_id"), record.get("category_id")
    known = type(image) is int and image in expected.sizes
    if not known:
        faults.append("image_id")
    if type(category) is not int or (expected.categories and category not in expected.categories):
        faults.append("category_id")
    if not isinstance(record.get("segmentation", []), list):
        faults.append("segmentation")
    box, score = record.get("bbox"), record.get("score")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_finite, (*box, score))):
        return [*faults, "numbers"]
    if not 0 <= score <= 1:
        faults.append("score")
    if box[2] <= 0 or box[3] <= 0:
        faults.append("size")
    elif known and not _inside(box, expected.sizes[image]):
        faults.append("inside")
    return faults


def _finite(value: Any) -> bool:
    return type(value) in NUMBERS and -HUGE < value < HUGE


def _inside(box: list[float], size: tuple[float, float] | None) -> bool:
    left, top, width, height = box
    image_width, image_height = size or (math.inf, math.inf)
    return (
        min(left, top) >= -TOLERANCE
        and left + width <= image_width + TOLERANCE
        and top + height <= image_height + TOLERANCE
    )
