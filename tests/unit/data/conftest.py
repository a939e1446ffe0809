"""A small data set in the challenge layout, and a reader of the prepared one."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from parkdet.data.prepare import PrepareSettings, prepare

CATEGORIES = [{"id": 3, "name": "car"}, {"id": 7, "name": "cart"}]


@dataclass
class Source:
    """Builds a data set; its JSON files are written by `save`."""

    root: Path
    images: list = field(default_factory=list)
    annotations: list = field(default_factory=list)
    categories: list | None = field(default_factory=lambda: list(CATEGORIES))
    test_images: list | None = None

    def draw(self, name, size=(40, 20), split="train", color=None, **options):
        """Writes an image file that differs from all others."""
        path = self.root / split / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        color = color or (len(self.images) % 256, len(name) % 256, len(list(path.parent.iterdir())))
        Image.new("RGB", size, color).save(path, **options)
        return path

    def add(self, name, boxes=(), size=(40, 20), number=None, **options):
        """Adds a training image with boxes (category, x, y, width, height)."""
        number = number or len(self.images) + 1
        self.draw(name, size, **options)
        self.images.append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
        for category, *bbox in boxes:
            self.box(number, bbox, category)
        return number

    def box(self, image, bbox, category=3, **other):
        number = len(self.annotations) + 1
        entry = {"id": number, "image_id": image, "category_id": category, "bbox": bbox}
        self.annotations.append({**entry, **other})

    def add_test(self, name, number, size=(40, 20), **other):
        self.test_images = self.test_images or []
        self.test_images.append({"id": number, "file_name": name, **other})
        return self.draw(name, size, split="test")

    def save(self):
        (self.root / "train/label").mkdir(parents=True, exist_ok=True)
        (self.root / "train/images").mkdir(parents=True, exist_ok=True)
        content = {"images": self.images, "annotations": self.annotations}
        if self.categories is not None:
            content["categories"] = self.categories
        (self.root / "train/label/Train.json").write_text(json.dumps(content), encoding="utf-8")
        if self.test_images is not None:
            (self.root / "test/images").mkdir(parents=True, exist_ok=True)
            text = json.dumps({"images": self.test_images})
            (self.root / "Test_Images_Information.json").write_text(text, encoding="utf-8")
        return self


@dataclass
class Prepared:
    """Reads a prepared data set."""

    out: Path
    summary: dict

    def json(self, name):
        return json.loads((self.out / f"{name}.json").read_text(encoding="utf-8"))

    def lines(self, name):
        return (self.out / f"{name}.txt").read_text(encoding="utf-8").splitlines()

    def issues(self):
        lines = (self.out / "issues.csv").read_text(encoding="utf-8").splitlines()
        return lines[1:]

    def images(self):
        return {
            image["id"]: image for name in ("train", "val") for image in self.json(name)["images"]
        }

    def boxes(self):
        return [box for name in ("train", "val") for box in self.json(name)["annotations"]]

    def content(self):
        """Relative path -> content of every file but the sidecars and dataset.yaml."""
        found = {}
        for place, _, files in os.walk(self.out):
            for name in files:
                path = Path(place, name)
                if not name.endswith((".provenance.json", "dataset.yaml")):
                    found[str(path.relative_to(self.out))] = path.read_bytes()
        return found


@pytest.fixture
def source(tmp_path):
    """Twelve images, two frames of each of six recordings, each with one box."""
    made = Source(tmp_path / "root")
    for recording in range(6):
        for frame in range(2):
            made.add(f"맑음_{recording:03d}_{frame:04d}.png", [(3, 4, 5, 10, 8)])
    return made


@pytest.fixture
def run_prepare(source):
    """Saves ``source`` and prepares it in `out`; options as in PrepareSettings."""

    def run(out=None, **options):
        source.save()
        out = out or source.root.parent / "out"
        options = {"val_images": 2, **options}
        return Prepared(out, prepare(PrepareSettings(source.root, out, **options)))

    return run
