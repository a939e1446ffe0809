"""The images to detect on, from a COCO file or a folder."""

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec

from parkdet.data.images import SUFFIXES, ImageFolder
from parkdet.errors import UserError
from parkdet.files import Id, read_json

log = logging.getLogger("parkdet")


@dataclass(frozen=True)
class ImageSource:
    """An image to detect on."""

    id: int
    path: Path
    sha256: str = ""
    """Of the content, if the list of images has it."""


class UnreadableImage(UserError):
    """An image file is missing or damaged.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(problem)
        self.path = path


class Category(msgspec.Struct):
    """A class of the data set."""

    id: Id
    name: str


class ImageEntry(msgspec.Struct):
    """What inference needs of an image in a COCO file."""

    id: Id
    file_name: str
    sha256: str = ""
    unreadable: bool = False


class ImageList(msgspec.Struct):
    """A COCO file of images, with or without categories."""

    images: list[ImageEntry]
    categories: list[Category] = []


@dataclass(frozen=True)
class ImageSet:
    """Images in the order in which their detections are written, and the categories if known."""

    sources: list[ImageSource]
    categories: list[Category]


def read_images(images: Path, folder: Path | None) -> ImageSet:
    """The images listed in a COCO file, or all images in a folder.

    In a folder, ids are 1, 2, ... in the order of the sorted paths. An image that the file marks as
    unreadable is left out and gets no detections.

    Args:
        images: COCO file or folder.
        folder: where the images listed in the file are; None: beside it.

    Raises:
        UserError: there are no images, two have the same id, or the folder is missing.
    """
    if images.is_dir():
        return ImageSet(_images_in(images), [])
    content = read_json(images, ImageList)
    folder = folder or images.parent
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: give the images' folder with --image-dir.")
    if not content.images:
        raise UserError(f"{images} lists no images.")
    ids = Counter(image.id for image in content.images)
    twice = [str(number) for number, count in ids.items() if count > 1]
    if twice:
        raise UserError(f"{images} has these image ids more than once: {', '.join(twice[:5])}.")
    readable = [image for image in content.images if not image.unreadable]
    if len(readable) < len(content.images):
        left_out = len(content.images) - len(readable)
        log.warning("%d images are marked as unreadable and get no detections", left_out)
    found = ImageFolder(folder)
    sources = [
        ImageSource(image.id, Path(found.path(image.file_name)[0]), image.sha256)
        for image in readable
    ]
    return ImageSet(sources, content.categories)


def _images_in(folder: Path) -> list[ImageSource]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise UserError(f"There are no images in {folder} (suffixes: {', '.join(SUFFIXES)}).")
    return [ImageSource(number, path) for number, path in enumerate(paths, start=1)]


def shard(images: int, number: int, count: int) -> range:
    """The positions in shard ``number``, from 1, when ``images`` images are cut into ``count``.

    Shards are contiguous: their results, concatenated in order, are those of the whole.
    """
    start, stop = (images * end // count for end in (number - 1, number))
    return range(start, stop)
