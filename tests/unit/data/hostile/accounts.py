"""Nothing is lost silently: every image and box of the source is in the output or listed."""

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import NamedTuple

import cv2

WITH_BOXES = re.compile(r"left out with its (\d+) boxes")


class Row(NamedTuple):
    """A row of issues.csv."""

    file: str
    image_id: str
    annotation_id: str
    problem: str
    action: str


def read_issues(out: Path) -> list[Row]:
    with open(out / "issues.csv", encoding="utf-8", newline="") as file:
        return [Row(*row) for row in csv.reader(file)][1:]


def read(path: Path) -> dict:
    data = path.read_bytes()
    text = data.decode(json.detect_encoding(data), "replace")  # as bad as it may be elsewhere
    return json.loads(text, parse_int=_whole)


def _whole(digits: str) -> int:
    """``int``, also for numbers with more digits than Python reads."""
    return int(digits[:4000])


def check_accounts(root: Path, out: Path) -> None:
    """Asserts that images and boxes add up, and that each split is sound.

    Args:
        root: source data set, whose JSON files Python can read.
        out: what was prepared from it, without a request to leave anything out.
    """
    source = read(root / "train/label/Train.json")
    splits = {path.stem: read(path) for path in map(out.joinpath, ("train.json", "val.json"))}
    test_list, test = root / "Test_Images_Information.json", {"images": []}
    if test_list.exists():
        splits["test"] = test = read(out / "test.json")
        source["images"] = source["images"] + read(test_list)["images"]

    left_out = [row for row in read_issues(out) if row.action.startswith("left out")]
    of_boxes = [row for row in left_out if row.problem.startswith(("box", "bbox"))]
    lost = sum(int(match[1]) for row in left_out if (match := WITH_BOXES.match(row.action)))
    images = [image for split in splits.values() for image in split["images"]]
    boxes = [box for split in splits.values() for box in split["annotations"]]
    assert len(images) + len(left_out) - len(of_boxes) == len(source["images"])
    assert len(boxes) + len(of_boxes) + lost == len(source.get("annotations", []))
    for name, split in splits.items():
        _check_split(out, name, split)
    for ids in (
        [image["id"] for image in images if image not in test["images"]],
        [image["id"] for image in test["images"]],
        [box["id"] for box in boxes],
    ):
        assert len(set(ids)) == len(ids)


def _check_split(out: Path, name: str, split: dict) -> None:
    """Asserts that images and labels are there, readable, and as the JSON file says."""
    lines = (out / f"{name}.txt").read_text(encoding="utf-8").split("\n")[:-1]
    images = [image for image in split["images"] if not image.get("unreadable")]
    assert lines == [f"./images/{name}/{image['file_name']}" for image in images]
    for line, image in zip(lines, images, strict=True):
        height, width = image["height"], image["width"]
        assert hashlib.sha256((out / line).read_bytes()).hexdigest() == image["sha256"]
        assert cv2.imread(str(out / line)).shape == (height, width, 3)
        boxes = [box for box in split["annotations"] if box["image_id"] == image["id"]]
        for x, y, box_width, box_height in (box["bbox"] for box in boxes):
            assert x >= 0 and y >= 0 and x + box_width <= width and y + box_height <= height
            assert box_width > 0 and box_height > 0
        if name != "test":
            stem = line.rpartition(".")[0].replace("./images/", "labels/", 1)
            labels = (out / f"{stem}.txt").read_text().splitlines()
            assert len(labels) == sum(not box["iscrowd"] for box in boxes)
            for label in labels:
                number, *shares = map(float, label.split())
                assert 0 <= number < len(split["categories"]) and len(shares) == 4
                assert all(0 <= share <= 1 for share in shares)
