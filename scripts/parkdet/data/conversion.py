"""Converts YOLO and Pascal VOC annotations to a COCO file that prepare_dataset reads.

Nothing is judged here: a faulty annotation is passed on as it stands, so that prepare_dataset
lists it like any other. (Existing conversion packages stop at the first bad line, decode every
image, or pull in a video library.)
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from parkdet.data.images import SUFFIXES, ImageFacts, examine_images
from parkdet.errors import UserError
from parkdet.files import read_bytes, read_yaml

log = logging.getLogger("parkdet")

SHOWN = 5
MOST_CLASSES = 10_000  # in YOLO labels; a higher number is no class
# Class number or name; a COCO bbox, or whatever was there instead.
Object = tuple[int | str | None, Any]


def convert(
    images: Path, labels: Path | None, form: str, names: list[str] | None
) -> dict[str, Any]:
    """The COCO file's content for the images in a folder and its subfolders, sorted by name.

    Args:
        labels: folder with a label file for each image, at the same relative path; None: no boxes.
        form: format of the label files, yolo or voc.
        names: classes in order of their numbers; None: as many as are used (yolo), or all names in
            alphabetical order (voc). Category ids are the numbers, from 0.

    Raises:
        UserError: there are no images, none has a label file, or a label file is not of that
            format at all.
    """
    found = sorted(
        path.relative_to(images).as_posix()
        for path in images.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file()
    )
    if not found:
        raise UserError(
            f"There are no images in {images} (with a suffix of {', '.join(SUFFIXES)})."
        )
    facts = examine_images([f"{images}/{name}" for name in found])
    read, suffix = READERS[form]
    objects = [
        _objects(labels, name, fact, read, suffix) for name, fact in zip(found, facts, strict=True)
    ]
    if labels is not None:
        _check_files(labels, found, suffix)
    names = names or _names_used(objects)
    numbers = {name: number for number, name in enumerate(names)}
    boxes = [
        {"image_id": image, "category_id": numbers.get(kind, kind), "bbox": bbox}
        for image, own in enumerate(objects, start=1)
        for kind, bbox in own
    ]
    return {
        "images": [
            {"id": number, "file_name": name}
            | ({} if fact.problem else {"width": fact.width, "height": fact.height})
            for number, (name, fact) in enumerate(zip(found, facts, strict=True), start=1)
        ],
        "annotations": [{"id": number, **box} for number, box in enumerate(boxes, start=1)],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }


def names_of_yaml(path: Path) -> list[str]:
    """The class names in a YOLO data.yaml: `names`, a list or a mapping from numbers to names.

    Raises:
        UserError: there are none, or their numbers are not 0, 1, 2 and so on.
    """
    names = read_yaml(path).get("names")
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[number] for number in range(len(names))]
    plain = isinstance(names, list) and not any(isinstance(name, list | dict) for name in names)
    if not plain or not names:
        raise UserError(f"{path} needs `names`: a list, or a mapping from 0, 1, ... to names.")
    return [str(name) for name in names]


def _objects(
    labels: Path | None,
    name: str,
    fact: ImageFacts,
    read: Callable[[Path, ImageFacts], list[Object]],
    suffix: str,
) -> list[Object]:
    path = labels / Path(name).with_suffix(suffix) if labels else None
    return read(path, fact) if path and path.is_file() else []


def _read_yolo(path: Path, fact: ImageFacts) -> list[Object]:
    """Lines with class number, centre, width and height, relative to the image."""
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text: {error}. Restore or remove it.") from error
    return [_yolo_object(line.split(), fact) for line in lines if line.strip()]


def _yolo_object(words: list[str], fact: ImageFacts) -> Object:
    kind = _class_number(words[0])
    try:
        x, y, width, height = map(float, words[1:])
    except ValueError:  # not four numbers: a polygon, or damage
        return kind, words[1:]
    bbox = [(x - width / 2) * fact.width, (y - height / 2) * fact.height]
    return kind, [*bbox, width * fact.width, height * fact.height]


def _class_number(word: str) -> int | str:
    try:
        number = float(word)
    except ValueError:
        return word
    return int(number) if 0 <= number < MOST_CLASSES and number.is_integer() else word


def _read_voc(path: Path, _fact: ImageFacts) -> list[Object]:
    """Objects with a name and corners; pixels count from 1, and the last one is included."""
    data = read_bytes(path)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise UserError(f"{path} declares a document type, which no annotation needs: remove it.")
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the last two: encodings
        raise UserError(
            f"{path} is not XML in UTF-8 or UTF-16: {error}. Save it as such, or remove it."
        ) from error
    return [(item.findtext("name"), _voc_box(item)) for item in root.iter("object")]


def _voc_box(item: ElementTree.Element) -> Any:
    words = [item.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
    try:
        left, top, right, bottom = (float(word or "") for word in words)
    except ValueError:
        return words
    return [left - 1, top - 1, right - left + 1, bottom - top + 1]


READERS = {"yolo": (_read_yolo, ".txt"), "voc": (_read_voc, ".xml")}


def _names_used(objects: Sequence[Sequence[Object]]) -> list[str]:
    kinds = {kind for own in objects for kind, _ in own}
    numbers = [kind for kind in kinds if isinstance(kind, int)]
    if numbers:
        return [f"class {number}" for number in range(max(numbers) + 1)]
    return sorted(kind for kind in kinds if isinstance(kind, str) and kind)


def _check_files(labels: Path, images: Sequence[str], suffix: str) -> None:
    """Warns about label files without an image; refuses a folder in which no file has one."""
    known = {Path(name).with_suffix(suffix).as_posix() for name in images}
    files = {path.relative_to(labels).as_posix() for path in labels.rglob(f"*{suffix}")}
    if not files & known:
        raise UserError(
            f"{labels} has no {suffix} file with the name and folder of an image. Check --labels "
            "and --form, or leave --labels out for images without boxes."
        )
    orphans = sorted(files - known - {"classes.txt"})
    if orphans:
        shown = ", ".join(orphans[:SHOWN]) + (", ..." if len(orphans) > SHOWN else "")
        log.warning("Warning: %d label files have no image: %s", len(orphans), shown)
