"""Annotation files that are not JSON, are not COCO, or hold nothing; and sets that are empty."""

import os
from unittest.mock import patch

from hostile.case import Case

NOT_COCO = "Train.json as COCO annotations"
TRAIN, TEST = "train/label/Train.json", "Test_Images_Information.json"


def text(content: str | bytes):
    """Train.json with this content."""
    data = content if isinstance(content, bytes) else content.encode()
    return changed(lambda sound: data)


def with_key(key: str, value: str):
    """Train.json with one more key, whose value is given as JSON text."""
    return changed(lambda sound: f'{{"{key}": {value}, '.encode() + sound[1:])


def changed(change):
    """A sound Train.json changed by ``change``."""

    def after(root) -> None:
        path = root / TRAIN
        path.write_bytes(change(path.read_bytes()))

    return after


def in_place(name: str, make):
    """A file of the data set, replaced by what ``make`` makes at its path."""

    def after(root) -> None:
        (root / "test/images").mkdir(parents=True)
        (root / name).unlink(missing_ok=True)
        make(root / name)

    return after


def listed_for_test(*images):
    def spoil(source) -> None:
        source.test_images = list(images)

    return spoil


def only(images: int):
    def spoil(source) -> None:
        del source.images[images:]
        del source.annotations[images:]

    return spoil


def no_files(source) -> None:
    for path in (source.root / "train/images").iterdir():
        path.unlink()


FILES = [
    Case(
        "Train.json missing",
        "refused",
        "has no train/label/Train.json",
        after=in_place(TRAIN, lambda path: None),
    ),
    Case(
        "Train.json is a folder",
        "refused",
        "has no train/label/Train.json",
        after=in_place(TRAIN, os.mkdir),
    ),
    Case(
        "Train.json is a FIFO",
        "refused",
        "has no train/label/Train.json",
        after=in_place(TRAIN, os.mkfifo),
    ),
    Case(
        "Train.json is a link to /dev/zero",
        "refused",
        "has no train/label/Train.json",
        after=in_place(TRAIN, lambda path: path.symlink_to("/dev/zero")),
    ),
    Case(
        "test list is a folder",
        "refused",
        f"{TEST} is not a regular file",
        after=in_place(TEST, os.mkdir),
    ),
    Case(
        "test list is a FIFO",
        "refused",
        f"{TEST} is not a regular file",
        after=in_place(TEST, os.mkfifo),
    ),
    Case(
        "test list is a dangling link",
        "refused",
        f"{TEST} is not a regular file",
        after=in_place(TEST, lambda path: path.symlink_to("gone.json")),
    ),
    Case(
        "val list is a FIFO",
        "refused",
        "val.json is not a regular file",
        after=in_place("val.json", os.mkfifo),
        options=("--split=given", "--val-json={root}/val.json"),
    ),
    Case("zero bytes", "refused", NOT_COCO, after=text("")),
    Case("HTML", "refused", NOT_COCO, after=text("<html>")),
    Case("truncated", "refused", NOT_COCO, after=changed(lambda sound: sound[:-20])),
    Case("two documents in one file", "refused", NOT_COCO, after=changed(lambda sound: sound * 2)),
    Case("a list", "refused", NOT_COCO, after=text("[]")),
    Case("no `images`", "refused", NOT_COCO, after=text('{"annotations": []}')),
    Case("`images` is not a list", "refused", NOT_COCO, after=text('{"images": {"a": 1}}')),
    Case("an image is not an object", "refused", NOT_COCO, after=text('{"images": [5]}')),
    Case(
        "bytes that are not UTF-8",
        "refused",
        NOT_COCO,
        after=text(b'{"images": [{"id": 1, "file_name": "\xff.png"}]}'),
    ),
    Case(
        "100,000 brackets in `images`",
        "refused",
        NOT_COCO,
        after=text('{"images": ' + "[" * 100_000),
    ),
    Case(
        "100,000 nested lists elsewhere",
        "refused",
        NOT_COCO,
        after=with_key("x", "[" * 100_000 + "]" * 100_000),
    ),
    Case(
        "many empty entries that take much memory",
        "refused",
        "takes more than 12 times its size in memory",
        after=text('{"images": [' + "{}," * 10_000_000 + "{}]}"),
    ),
    Case(
        "more than 2,000,000,000 bytes (the case lowers the limit)",
        "refused",
        "leave out `segmentation`, or split the data set",
        around=lambda *_: patch("parkdet.data.annotations.MOST_BYTES", 1000),
    ),
    Case("a byte order mark", "used", after=changed(lambda sound: b"\xef\xbb\xbf" + sound)),
    Case("UTF-16", "used", after=changed(lambda sound: sound.decode().encode("utf-16"))),
    Case(
        "NaN and infinity in other keys", "used", after=with_key("info", "[NaN, -Infinity, 1e999]")
    ),
    Case(
        "a width of 5,000 digits",
        "refused",
        NOT_COCO,
        after=changed(lambda sound: sound.replace(b": 40", b": " + b"9" * 5_000, 1)),
    ),
    Case("a number of 5,000 digits in another key", "used", after=with_key("info", "9" * 5_000)),
]

SETS = [
    Case("no images listed", "refused", "Train.json lists 0 images", only(0)),
    Case("one image", "refused", "at least 2 are needed", only(1)),
    Case("no image files present", "refused", "image file is missing: 12", no_files),
    Case(
        "no boxes at all",
        "warned",
        "No box in train of: car, cart.",
        lambda source: source.annotations.clear(),
    ),
    Case("empty test set", "warned", "the test set is empty", listed_for_test()),
    Case("no test set", "warned", "no test set is prepared"),
]
