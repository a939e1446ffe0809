"""Generates sets of any size in the challenge's layout, and prepares them as in 2022."""

import json
import random
import shutil
import struct
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

CLASSES = 14
WEATHER = ("맑음", "흐림", "비", "눈")
REGIONS = ("경기도", "서울", "부산")
FRAMES = 29  # per recording
PICTURES = 20  # drawn; the files made from them differ by a numbered comment
LINKS = 60_000  # hard links per file, fewer than ext4 allows
HEADER = 33  # bytes of a PNG before its first optional chunk
VAL_IMAGES = 3000


class Size(NamedTuple):
    """How many images and boxes a set has."""

    train: int
    test: int
    boxes: int


CHALLENGE = Size(24_650, 19_521, 134_741)


def make_set(root: Path, size: Size, width: int, height: int, linked: bool = False) -> Path:
    """Makes a set with random boxes, rarer for higher class ids, which start at 1.

    Args:
        width: of the images in pixels, as is ``height``.
        linked: makes a few image files under many names (hard links), for very large sets.
    """
    names = [_name(number) for number in range(size.train + size.test)]
    parts = {"train": names[: size.train], "test": names[size.train :]}
    generator = np.random.default_rng(0)
    pictures = [_picture(generator, width, height) for _ in range(PICTURES)]
    for part, own in parts.items():
        folder = root / part / "images"
        folder.mkdir(parents=True)
        if linked:
            _link(folder, own, pictures[0])
            continue
        for number, name in enumerate(own):
            content = _numbered(pictures[number % PICTURES], f"{part} {number}")
            (folder / name).write_bytes(content)
    lists = {
        part: [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, name in enumerate(own, start=1)
        ]
        for part, own in parts.items()
    }
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)]
    (root / "train/label").mkdir()
    _write(
        root / "train/label/Train.json",
        images=lists["train"],
        annotations=_boxes(generator, size, width, height),
        categories=categories,
    )
    if size.test:
        _write(root / "Test_Images_Information.json", images=lists["test"])
    return root


def _name(number: int) -> str:
    recording = number // FRAMES
    weather, region = WEATHER[recording % 4], REGIONS[recording % 3]
    time_of_day = "야간" if recording % 5 == 0 else "주간"
    return (
        f"20201102_{region}_-_-_{weather}_{time_of_day}_실외_right_{recording:06d}_{number:07d}.png"
    )


def _picture(generator: np.random.Generator, width: int, height: int) -> bytes:
    """A PNG of coarse shapes with noise, about as large as a photograph's."""
    coarse = generator.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noisy = smooth + generator.normal(0, 1, smooth.shape)
    return cv2.imencode(".png", noisy.clip(0, 255).astype(np.uint8))[1].tobytes()


def _numbered(png: bytes, text: str) -> bytes:
    """The PNG with a comment added, so that no two files are identical."""
    chunk = b"tEXtComment\0" + text.encode()
    framed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:HEADER] + framed + png[HEADER:]


def _link(folder: Path, names: Sequence[str], png: bytes) -> None:
    for start in range(0, len(names), LINKS):
        first, *others = names[start : start + LINKS]
        (folder / first).write_bytes(_numbered(png, first))
        for name in others:
            (folder / name).hardlink_to(folder / first)


def _boxes(
    generator: np.random.Generator, size: Size, width: int, height: int
) -> list[dict[str, Any]]:
    images = np.sort(generator.integers(1, size.train + 1, size.boxes))
    shares = 0.65 ** np.arange(CLASSES)
    categories = 1 + generator.choice(CLASSES, size.boxes, p=shares / shares.sum())
    sides = np.stack(
        [
            generator.integers(2, width // 4, size.boxes),
            generator.integers(2, height // 4, size.boxes),
        ]
    )
    corners = (generator.random((2, size.boxes)) * ([[width], [height]] - sides)).astype(int)
    columns = (images, categories, *corners, *sides)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        {"id": number, "image_id": image, "category_id": category, "bbox": bbox}
        for number, (image, category, *bbox) in enumerate(rows, start=1)
    ]


def _write(path: Path, **content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def prepare_as_in_2022(root: Path, out: Path, most_boxes: int | None = None) -> tuple[float, int]:
    """The 2022 procedure, reconstructed from its description in the cheapest reading.

    For each box: look its image up in the list of val ids, open it for its size, copy it and append
    a line to its label file.

    Args:
        most_boxes: stop after this many.

    Returns:
        Seconds, and the number of boxes processed.
    """
    started = time.perf_counter()
    content = json.loads((root / "train/label/Train.json").read_text(encoding="utf-8"))
    names = {image["id"]: image["file_name"] for image in content["images"]}
    random.seed(100)
    val_ids = random.sample(tuple(names), min(VAL_IMAGES, len(names) // 8))
    for part in ("train", "val"):
        for kind in ("images", "labels"):
            (out / kind / part).mkdir(parents=True)
    annotations = content["annotations"][:most_boxes]
    for annotation in annotations:
        name = names[annotation["image_id"]]
        part = "val" if annotation["image_id"] in val_ids else "train"
        source = root / "train/images" / name
        with Image.open(source) as image:
            width, height = image.size
        shutil.copy(source, out / "images" / part / name)
        x, y, box_width, box_height = annotation["bbox"]
        values = (x + box_width / 2) / width, (y + box_height / 2) / height
        values += box_width / width, box_height / height
        line = " ".join(map(str, (annotation["category_id"] - 1, *values)))
        with open(out / f"labels/{part}/{name.split('.')[0]}.txt", "a") as file:
            file.write(f"{line}\n")
    return time.perf_counter() - started, len(annotations)
