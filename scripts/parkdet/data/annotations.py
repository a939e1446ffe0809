"""Annotation files: as they arrive, where anything may be wrong, and as they are written."""

import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from parkdet.data.issues import printable
from parkdet.errors import UserError
from parkdet.files import read_bytes
from parkdet.memory import limited_memory

MOST_BYTES = 2_000_000_000  # of a file: millions of images
MEMORY = 12  # bytes per byte of the file; COCO files take 4 to 8
LONGEST_NAME = 200  # characters of a class name
UNPRINTED = ("Cc", "Cs", "Zl", "Zp")  # Unicode: control characters, surrogates, line separators


class RawImage(msgspec.Struct):
    """An entry of ``images`` as found; every value is still to be checked."""

    id: Any = None
    file_name: Any = None
    width: Any = None
    height: Any = None


class RawAnnotation(msgspec.Struct):
    """An entry of ``annotations`` as found; every value is still to be checked."""

    id: Any = None
    image_id: Any = None
    category_id: Any = None
    bbox: Any = None
    iscrowd: Any = 0


class RawCategory(msgspec.Struct):
    """An entry of ``categories`` as found; every value is still to be checked."""

    id: Any = None
    name: Any = None


class RawFile(msgspec.Struct):
    """A COCO file as found; anything in it besides these lists is skipped."""

    images: list[RawImage]
    annotations: list[RawAnnotation] = []
    categories: list[RawCategory] = []


class Image(msgspec.Struct, omit_defaults=True):
    """A checked image: width and height of the file in pixels, SHA-256 of its content.

    ``unreadable`` marks a test image that cannot be opened: it keeps its id and gets no detections.
    """

    id: int
    file_name: str
    width: int
    height: int
    sha256: str
    unreadable: bool = False


class Box(msgspec.Struct):
    """A checked box: ``bbox`` is x, y, width, height in pixels, inside the image."""

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: int


class Category(msgspec.Struct):
    """A class: its number is its position in ``Dataset.categories``."""

    id: int
    name: str


class Dataset(msgspec.Struct):
    """One split of a prepared data set, in COCO format."""

    images: list[Image]
    annotations: list[Box]
    categories: list[Category]


def read_raw(path: Path) -> RawFile:
    """Reads a COCO file without trusting its values.

    NaN, Infinity and out-of-range numbers are let through, since ``json.dump`` writes them; the
    entries that hold them are found later. A byte order mark is skipped.

    Raises:
        UserError: missing, not JSON, no list of ``images``, too large, or takes too much memory.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a regular file: put the COCO annotations there.")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise UserError(
            f"{path} has {size:,} bytes, and annotations of more than {MOST_BYTES:,} are not read: "
            "leave out `segmentation`, or split the data set."
        )
    data = read_bytes(path).removeprefix(b"\xef\xbb\xbf")
    try:
        with limited_memory(MEMORY * size + (64 << 20)):
            return _decode(data)
    except MemoryError as error:
        raise UserError(
            f"{path} takes more than {MEMORY} times its size in memory, which a list of images and "
            "boxes never does; check or restore the file."
        ) from error
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UserError(
            f"Cannot read {path} as COCO annotations: {error}. It must be an object with a list "
            "`images` (and lists `annotations`, `categories`); check or restore the file."
        ) from error


def _decode(data: bytes) -> RawFile:
    try:
        return msgspec.json.decode(data, type=RawFile)
    except msgspec.MsgspecError:
        try:
            lenient = json.loads(data)
        except ValueError:
            lenient = None
        if lenient is None:
            raise
        return msgspec.convert(lenient, RawFile)


def whole_number(value: Any) -> int | None:
    """``value`` as a 64-bit integer, or None; 7.0 counts as 7, while "7" and true do not count."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    return None


def read_categories(raw: RawFile, names: list[str] | None, path: Path) -> list[Category]:
    """The classes in order of their category ids, from the file or else from ``names``.

    Without ``categories`` in the file, the names go to the category ids that its boxes use, in
    ascending order, or to 1, 2, ... if there are more names than ids in use.

    Args:
        path: the file, for messages.

    Raises:
        UserError: there are no names, they do not fit the ids, or ids or names are not unique.
    """
    if raw.categories:
        return _given_categories(raw.categories, path)
    used = {whole_number(annotation.category_id) for annotation in raw.annotations} - {None}
    ids = sorted(number for number in used if number is not None)
    if not names:
        shown = ", ".join(map(str, ids[:50])) or "none"
        raise UserError(
            f"{path} has no `categories`, and no class names are given. Its boxes use "
            f"the category ids {shown}: name them in that order, with --names a,b,... "
            "(data.names in the config)."
        )
    if len(set(names)) < len(names) or not all(map(_is_class_name, names)):
        raise UserError(
            f"Class names must be unique, and one line of at most {LONGEST_NAME} characters each, "
            f"found: {printable(', '.join(names))}."
        )
    if len(ids) != len(names):
        ids = _numbered_from_one(ids, names, path)
    return [Category(number, name) for number, name in zip(ids, names, strict=True)]


def _numbered_from_one(ids: list[int], names: list[str], path: Path) -> list[int]:
    if not set(ids) <= set(range(1, len(names) + 1)):
        raise UserError(
            f"{path} uses {len(ids)} category ids ({', '.join(map(str, ids[:50]))}), but "
            f"{len(names)} class names are given: {', '.join(names)}. Give one name for each "
            "id, in ascending order of the ids, or add `categories` to the file."
        )
    return list(range(1, len(names) + 1))


def _given_categories(raw: list[RawCategory], path: Path) -> list[Category]:
    categories = []
    for entry in raw:
        number = whole_number(entry.id)
        if number is None or not _is_class_name(entry.name):
            raise UserError(
                f"{path}: a category needs a whole number as `id` and, as `name`, one line of at "
                f"most {LONGEST_NAME} characters, found id {printable(repr(entry.id))}, name "
                f"{printable(repr(entry.name))}. Correct `categories`."
            )
        categories.append(Category(number, entry.name))
    for what in ("id", "name"):
        ((value, times),) = Counter(getattr(entry, what) for entry in categories).most_common(1)
        if times > 1:
            raise UserError(
                f"{path}: category {what} {value!r} occurs more than once. Correct `categories`."
            )
    return sorted(categories, key=lambda category: category.id)


def _is_class_name(name: Any) -> bool:
    return (
        isinstance(name, str)
        and bool(name.strip())
        and len(name) <= LONGEST_NAME
        and not any(unicodedata.category(character) in UNPRINTED for character in name)
    )
