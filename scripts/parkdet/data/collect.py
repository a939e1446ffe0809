"""Reads annotation files and image files into checked images and boxes."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from parkdet.data.annotations import (
    Box,
    Category,
    Image,
    RawFile,
    read_categories,
    read_raw,
    whole_number,
)
from parkdet.data.checks import (
    Entry,
    check_size,
    clean_boxes,
    name_problem,
    usable_entries,
    with_boxes,
)
from parkdet.data.images import ImageFacts, ImageFolder, examine_images
from parkdet.data.issues import Issues
from parkdet.data.sources import Sources

UNREADABLE = "kept in test.json as unreadable, without detections"


class Photos(NamedTuple):
    """Checked images and, unless they are unreadable, their paths, by id and in file order."""

    images: dict[int, Image]
    paths: dict[int, str]


class Collected(NamedTuple):
    """Everything in the source data that can be used.

    ``listed_ids`` are the ids of all training images in file order, including those left out;
    ``boxes`` are by training image id.
    """

    listed_ids: list[int]
    train: Photos
    boxes: dict[int, list[Box]]
    categories: list[Category]
    test: Photos | None


def collect(
    sources: Sources,
    names: list[str] | None,
    decode: Collection[str],
    hash_cache: Path | None,
    issues: Issues,
) -> Collected:
    """Reads and checks everything; what cannot be used is listed in ``issues``.

    Args:
        names: class names, for a file without categories.
        decode: splits (train, test) whose images are decoded in full, not just their headers.
        hash_cache: see `images.examine_images`.

    Raises:
        UserError: a file cannot be read at all; with strict issues, also at the first problem.
    """
    raw = read_raw(sources.train_json)
    categories = read_categories(raw, names, sources.train_json)
    boxes_of = Counter(whole_number(annotation.image_id) for annotation in raw.annotations)
    lost = {number: boxes for number, boxes in boxes_of.items() if number is not None}
    listed = [number for image in raw.images if (number := whole_number(image.id)) is not None]
    entries = usable_entries(raw.images, lost, issues)
    test = _test_entries(read_raw(sources.test_json), issues) if sources.test_json else []

    train_paths = _paths(entries, sources.train_images, issues)
    test_paths = _paths([entry for entry, sound in test if sound], sources.test_images, issues)
    decoded = set(train_paths if "train" in decode else [])
    decoded.update(test_paths if "test" in decode else [])
    facts = examine_images([*train_paths, *test_paths], decoded, hash_cache)

    train = _train_photos(entries, train_paths, facts[: len(entries)], lost, issues)
    return Collected(
        list(dict.fromkeys(listed)),
        train,
        _boxes(raw, train, set(listed), categories, issues),
        categories,
        _test_photos(test, test_paths, facts[len(entries) :], issues)
        if sources.test_json
        else None,
    )


def _boxes(
    raw: RawFile, train: Photos, listed: set[int], categories: list[Category], issues: Issues
) -> dict[int, list[Box]]:
    classes = {category.id for category in categories}
    dropped = listed - train.images.keys()
    return clean_boxes(raw.annotations, train.images, dropped, classes, issues)


def _test_entries(raw: RawFile, issues: Issues) -> list[tuple[Entry, bool]]:
    """Test images with an id, each once, in file order, and whether their names are valid."""
    entries: dict[int, tuple[Entry, bool]] = {}
    for image in raw.images:
        number = whole_number(image.id)
        if number is None or number in entries:
            problem = "image id is not a whole number"
            if number is not None:
                same = image.file_name == entries[number][0].name
                problem = "image is listed twice" if same else "two images have the same id"
            issues.left_out(problem, image.file_name, image.id)
            continue
        problem = name_problem(image.file_name)
        if problem:
            issues.left_out(problem, image.file_name, number, action=UNREADABLE)
        name = image.file_name if isinstance(image.file_name, str) else ""
        entries[number] = (Entry(number, name, image.width, image.height), not problem)
    return list(entries.values())


def _paths(entries: Sequence[Entry], folder: Path, issues: Issues) -> list[str]:
    images = ImageFolder(folder)
    paths = []
    for entry in entries:
        path, remarks = images.path(entry.name)
        for remark in remarks:
            issues.add(remark, "used", entry.name, entry.id)
        paths.append(path)
    return paths


def _train_photos(
    entries: Sequence[Entry],
    paths: Sequence[str],
    facts: Sequence[ImageFacts],
    boxes: dict[int, int],
    issues: Issues,
) -> Photos:
    photos = Photos({}, {})
    for entry, path, fact in zip(entries, paths, facts, strict=True):
        if fact.problem:
            action = with_boxes(boxes.get(entry.id, 0))
            issues.left_out(fact.problem, entry.name, entry.id, action=action)
        else:
            _add(photos, entry, path, fact, issues)
    return photos


def _test_photos(
    entries: Sequence[tuple[Entry, bool]],
    paths: Sequence[str],
    facts: Sequence[ImageFacts],
    issues: Issues,
) -> Photos:
    """All test images; those that cannot be opened get their declared size, 0 if there is none."""
    photos = Photos({}, {})
    files = zip(paths, facts, strict=True)
    for entry, sound in entries:
        path, fact = next(files) if sound else ("", ImageFacts(problem="unsound name"))
        if not fact.problem:
            _add(photos, entry, path, fact, issues)
            continue
        if sound:
            issues.left_out(fact.problem, entry.name, entry.id, action=UNREADABLE)
        width, height = (max(whole_number(side) or 0, 0) for side in (entry.width, entry.height))
        photos.images[entry.id] = Image(entry.id, _clean(entry.name), width, height, "", True)
    return photos


def _clean(name: str) -> str:
    """``name`` as JSON can hold it: without lone surrogates."""
    return name.encode("utf-8", "replace").decode()


def _add(photos: Photos, entry: Entry, path: str, fact: ImageFacts, issues: Issues) -> None:
    check_size(entry, fact.width, fact.height, issues)
    if fact.several_frames:
        issues.add("image has several frames", "used the first", entry.name, entry.id)
    image = Image(entry.id, entry.name, fact.width, fact.height, fact.sha256)
    photos.images[entry.id] = image
    photos.paths[entry.id] = path
