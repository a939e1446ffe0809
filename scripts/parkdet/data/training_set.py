"""The training set: read once, then made into pictures that depend on their sample alone."""

import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import msgspec
import numpy as np
import torch
from torch.utils.data import Dataset, default_collate

from parkdet.data.augmentation import make_picture
from parkdet.data.image_cache import SharedImageCache, resized_shape
from parkdet.data.samplers import EpochOrder, Sample
from parkdet.detector.augment import seeded
from parkdet.errors import UserError
from parkdet.files import read_bytes, read_json, read_yaml
from parkdet.hyperparameters import Hyperparameters

log = logging.getLogger("parkdet")


class ImageRecord(msgspec.Struct):
    """An image as listed by prepare_dataset; sizes in pixels."""

    id: int
    file_name: str
    width: int
    height: int
    sha256: str


class Category(msgspec.Struct):
    """A class; its position in the list is its index in the model."""

    id: int
    name: str


class ImageList(msgspec.Struct):
    """What training needs of train.json and val.json."""

    images: list[ImageRecord]
    categories: list[Category]


@dataclass(frozen=True)
class Split:
    """The train or val split of a prepared data set.

    Attributes:
        truth: its COCO file.
        paths: image files in the order of ``images``.
    """

    truth: Path
    paths: list[Path]
    images: list[ImageRecord]
    categories: list[Category]

    @cached_property
    def labels(self) -> list[np.ndarray]:
        """For each image float32 (boxes, 5): class, and centre x, y, width, height as fractions.

        Raises:
            UserError: a label file is missing or not in YOLO format.
        """
        return [_read_labels(path, len(self.categories)) for path in self.paths]

    @property
    def sizes(self) -> np.ndarray:
        """Width and height of the images in pixels, (images, 2)."""
        return np.array([(image.width, image.height) for image in self.images])

    def digest(self) -> str:
        """SHA-256 of the images' content and names, the labels and the class names."""
        digest = hashlib.sha256()
        for category in self.categories:
            digest.update(f"{category.id} {category.name}\n".encode())
        for image, labels in zip(self.images, self.labels, strict=True):
            digest.update(f"{image.file_name}\n{image.sha256} {len(labels)}\n".encode())
            digest.update(np.ascontiguousarray(labels, dtype="<f4").tobytes())
        return digest.hexdigest()


def read_split(dataset: Path, name: str) -> Split:
    """Reads one split of what prepare_dataset wrote.

    Args:
        dataset: dataset.yaml.
        name: ``train`` or ``val``.

    Raises:
        UserError: a file is missing, cannot be read, or does not match the others.
    """
    listing = read_yaml(dataset).get(name)
    if not isinstance(listing, str):
        raise UserError(f"{dataset} names no `{name}` list: run prepare_dataset again.")
    listing_path = dataset.parent / listing
    lines = read_bytes(listing_path).decode("utf-8").splitlines()
    truth = listing_path.with_suffix(".json")
    record = read_json(truth, ImageList)
    if len(lines) != len(record.images):
        raise UserError(
            f"{listing_path} lists {len(lines)} images and {truth} {len(record.images)}: they are "
            "not from the same run. Run prepare_dataset again."
        )
    paths = [listing_path.parent / line for line in lines]
    return Split(truth, paths, record.images, record.categories)


def _read_labels(image: Path, classes: int) -> np.ndarray:
    parts = list(image.parts)
    parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    path = Path(*parts).with_suffix(".txt")
    rows = [line.split() for line in read_bytes(path).decode("utf-8").splitlines() if line.strip()]
    try:
        labels = np.array(rows, dtype=np.float32).reshape(len(rows), 5)
    except ValueError:
        raise UserError(
            f"{path}: each line must be five numbers: class x y width height."
        ) from None
    good = (labels[:, 0] == labels[:, 0].astype(int)) & (labels[:, 0] < classes)
    good &= ((labels >= 0) & (labels[:, 1:].max(axis=1, initial=0) <= 1)[:, None]).all(axis=1)
    if not good.all():
        raise UserError(
            f"{path}, line {int(np.argmin(good)) + 1}: the class must be one of 0 to "
            f"{classes - 1} and the other values between 0 and 1. Run prepare_dataset again."
        )
    return labels


@dataclass(frozen=True)
class Recipe:
    """How pictures are made.

    Attributes:
        imgsz: side of a picture in pixels.
        mosaic_epochs: how many epochs, from the first on, may have mosaics.
        stage: number of the stage; enters the random seed.
    """

    imgsz: int
    hyp: Hyperparameters
    mosaic_epochs: int
    seed: int
    stage: int


class TrainingSet(Dataset):
    """Pictures by :class:`Sample`: equal samples give equal pictures in any process."""

    def __init__(self, split: Split, recipe: Recipe, order: EpochOrder, cache_bytes: int) -> None:
        self.split, self.recipe, self._order = split, recipe, order
        shapes = [resized_shape(image.height, image.width, recipe.imgsz) for image in split.images]
        self._shapes = shapes
        self._cache = SharedImageCache(shapes, cache_bytes)
        if self._cache.kept < len(shapes):
            log.info(
                "images kept in memory: %d of %d; the others are decoded at each use "
                "(--cache-gb sets the memory)",
                self._cache.kept,
                len(shapes),
            )

    def __len__(self) -> int:
        return len(self.split.paths)

    def __getitem__(self, sample: Sample) -> tuple[torch.Tensor, torch.Tensor]:
        """Makes a picture.

        Returns:
            The picture, RGB uint8 (imgsz, imgsz, 3); its targets, float32 (n, 6): 0, class and
            centre x, y, width, height as fractions.

        Raises:
            UserError: an image cannot be read, or its size is not what it was when prepared.
        """
        recipe = self.recipe
        with seeded(recipe.seed, recipe.stage, sample.epoch, sample.position):
            image, labels = make_picture(
                self._load,
                sample.index,
                partners=self._order(sample.epoch),
                images=len(self),
                imgsz=recipe.imgsz,
                hyp=recipe.hyp,
                mosaic=sample.epoch < recipe.mosaic_epochs,
            )
        targets = torch.zeros((len(labels), 6))
        targets[:, 1:] = torch.from_numpy(labels)
        return torch.from_numpy(image), targets

    def _load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self._cache.get(index, self._decode), self.split.labels[index]

    def _decode(self, index: int) -> np.ndarray:
        path, record = self.split.paths[index], self.split.images[index]
        encoded = np.frombuffer(read_bytes(path), dtype=np.uint8)
        image = None
        if len(encoded):
            image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        if image is None or image.shape[:2] != (record.height, record.width):
            raise UserError(
                f"{path} cannot be decoded as the image of {record.width}x{record.height} pixels "
                "that prepare_dataset found: restore the file, or prepare the data set again with "
                "data.verify: full (prepare_dataset.py --verify full), which decodes every image "
                "and finds damaged ones beforehand."
            )
        height, width = self._shapes[index]
        if (height, width) == image.shape[:2]:
            return image
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


@dataclass
class Batch:
    """What one step trains on.

    Attributes:
        images: RGB uint8 (n, 3, imgsz, imgsz), channels last in memory.
        targets: float32 (boxes, 6): position in the batch, class, centre x, y, width, height.
    """

    images: torch.Tensor
    targets: torch.Tensor

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory, from which copies to a GPU overlap with its work."""
        return dataclasses.replace(
            self, images=self.images.pin_memory(), targets=self.targets.pin_memory()
        )


def collate(items: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> Batch:
    """Puts pictures into one batch and numbers their targets."""
    images, targets = zip(*items, strict=True)
    for place, rows in enumerate(targets):
        rows[:, 0] = place
    return Batch(default_collate(images).permute(0, 3, 1, 2), torch.cat(targets))
