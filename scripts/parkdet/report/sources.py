"""The files that a run left, read into plain structures; None for those that are missing."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from parkdet.config import Config
from parkdet.errors import UserError
from parkdet.evaluation.truth import read_truth
from parkdet.files import read_bytes, read_json
from parkdet.submission.records import Detection, read_detections

STAGES = {"baseline": "baseline", "tune": "finetuning"}


class Image(msgspec.Struct):
    """An image of a COCO file."""

    id: int
    file_name: str
    width: int | None = None
    height: int | None = None


class Box(msgspec.Struct):
    """An annotated object; ``bbox`` is left, top, width, height in pixels."""

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: int = 0


class Category(msgspec.Struct):
    """A class by its id in the source."""

    id: int
    name: str


class Coco(msgspec.Struct):
    """What the report needs from a COCO file."""

    images: list[Image] = []
    annotations: list[Box] = []
    categories: list[Category] = []


class Epoch(msgspec.Struct):
    """A row of a training's metrics file."""

    epoch: int
    lr_decay: float
    box_loss: float
    obj_loss: float
    cls_loss: float
    ap50: float | None = None
    ap75: float | None = None
    ap: float | None = None
    images_per_s: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Run:
    """A run's results folder and the config that produced it.

    Attributes:
        test_images: folder of the test images; None if the run has no test set.
        test_truth: COCO truth of the test set, if it has one.
        preset: the config that this one was made from, if any.
    """

    results: Path
    config: Config
    test_images: Path | None = None
    test_truth: Path | None = None
    preset: Config | None = None

    def find(self, name: str) -> Path | None:
        """The path of a results file, if the file exists."""
        path = self.results / name
        return path if path.is_file() else None

    def json(self, name: str) -> dict[str, Any] | None:
        """The content of a JSON results file, if the file exists."""
        path = self.find(name)
        return read_json(path) if path else None

    @cached_property
    def parts(self) -> dict[str, Coco]:
        """The COCO files of train, val and test that exist."""
        names = ["train", "val", *(["test"] if self.has_test_set else [])]
        found = {name: self.find(f"dataset/{name}.json") for name in names}
        return {name: read_json(path, Coco) for name, path in found.items() if path}

    @property
    def has_test_set(self) -> bool:
        """Whether there are test images."""
        return self.test_images is not None

    @property
    def trains(self) -> bool:
        """Whether the run trains its own weights."""
        return not self.config.infer.weights

    @property
    def scores_start(self) -> bool:
        """Whether the weights before training are scored as well."""
        return self.trains and self.test_truth is not None and self.config.evaluate.start_weights

    @property
    def categories(self) -> dict[int, str]:
        """Category id -> name, by id."""
        listed = next((part.categories for part in self.parts.values() if part.categories), [])
        return {item.id: item.name for item in sorted(listed, key=lambda item: item.id)}

    @cached_property
    def history(self) -> dict[str, list[Epoch]]:
        """The epochs of each training of this run; none where weights were given."""
        if not self.trains:
            return {}
        found = {stage: self.find(f"metrics/{stage}.csv") for stage in STAGES}
        return {stage: _read_epochs(path) for stage, path in found.items() if path}

    def truth(self, part: str) -> dict | None:
        """COCO truth of val or test with what scoring needs, if it exists."""
        path = self.find("dataset/val.json") if part == "val" else self.test_truth
        return read_truth(path) if path and path.is_file() else None

    def detections(self, part: str) -> list[Detection] | None:
        """The detections on val or test, if they have been made."""
        path = self.find(f"predictions/{'val' if part == 'val' else 'best'}_preds.json")
        return read_detections(path) if path else None

    def sidecars(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The provenance files, ordered by path."""
        for path in sorted(
            [
                *self.results.glob("*.provenance.json"),
                *self.results.glob("*/*.provenance.json"),
            ]
        ):
            if path.is_relative_to(self.results / "report"):
                continue  # the report does not report on itself
            yield path, read_json(path)


def _read_epochs(path: Path) -> list[Epoch]:
    return [_epoch(path, row) for row in read_csv(path)]


def _epoch(path: Path, row: dict[str, str]) -> Epoch:
    values = {name: value for name, value in row.items() if value}
    try:
        return msgspec.convert(values, Epoch, strict=False)
    except msgspec.ValidationError as error:
        raise UserError(f"{path}: {error}. Restore the file or train again.") from error


def read_csv(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """The rows of a table with a header.

    Raises:
        UserError: the file is missing or not UTF-8 text.
    """
    try:
        content = read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error}.") from error
    return list(csv.DictReader(io.StringIO(content), delimiter=delimiter))
