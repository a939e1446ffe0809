"""What the images of each part are like: sizes, conditions, recordings, boxes per image."""

from collections import Counter
from statistics import median
from typing import NamedTuple

import numpy as np

from parkdet.data.conditions import NOT_NAMED, WORDS, conditions_of
from parkdet.data.splits import group_key, groups_of
from parkdet.report.axes import linear, whole
from parkdet.report.section import FIGURES
from parkdet.report.sources import Coco, Run
from parkdet.report.svg import Series, line_chart, nothing, steps

PARTS = ("train", "val", "test")
BINS = 50  # of a histogram, approximately


class Row(NamedTuple):
    """A property and how many images of each of PARTS have it; None if there is no such part."""

    name: str
    counts: list[int | None]


def counted(run: Run) -> dict[str, list[Row]]:
    """Tables of images by size and, where file names tell, by condition; most frequent first."""
    sizes = {
        name: Counter(f"{image.width} x {image.height}" for image in part.images)
        for name, part in run.parts.items()
    }
    tables = {"size in pixels": _rows(sizes)}
    told = {
        name: [conditions_of(image.file_name) for image in part.images]
        for name, part in run.parts.items()
    }
    for kind in WORDS:
        counts = {name: Counter(found[kind] for found in images) for name, images in told.items()}
        if set().union(*counts.values()) - {NOT_NAMED}:
            tables[kind] = _rows(counts)
    return tables


def _rows(counts: dict[str, Counter[str]]) -> list[Row]:
    together = sum(counts.values(), Counter())
    names = sorted(together, key=lambda name: (-together[name], name))
    return [
        Row(name, [counts[part][name] if part in counts else None for part in PARTS])
        for name in names
    ]


def recording_sizes(run: Run) -> str:
    """Images per recording of train, such as ``4 to 6, median 5``; empty without images."""
    train = run.parts.get("train")
    if train is None or not train.images:
        return ""
    key = group_key(run.config.data.group_pattern)
    groups = groups_of({image.id: image.file_name for image in train.images}, key)
    sizes = sorted(Counter(groups.values()).values())
    return f"{sizes[0]} to {sizes[-1]}, median {median(sizes):g}"


def boxes_an_image(parts: dict[str, Coco]) -> str:
    """A histogram of the boxes per image in train and val."""
    title = FIGURES["boxes_an_image"].title
    counts = {name: _counts(parts[name]) for name in ("train", "val") if name in parts}
    if not any(map(len, counts.values())):
        return nothing(title, "There are no labelled images.")
    most = max(found.max(initial=0) for found in counts.values())
    width = most // BINS + 1
    edges = np.arange(0, most + width + 1, width)
    series = [
        Series(name, steps(edges.tolist(), _shares(found, edges).tolist()), style)
        for (name, found), style in zip(counts.items(), ("s0", "s1"), strict=False)
    ]
    values = [value for line in series for _, value in line.points]
    x = whole("labelled objects", 0, int(edges[-1]))
    return line_chart(title, series, x, linear("images, %", values, 0))


def _counts(part: Coco) -> np.ndarray:
    """The number of boxes in each image, (images,)."""
    boxes = Counter(box.image_id for box in part.annotations)
    return np.array([boxes[image.id] for image in part.images], int)


def _shares(counts: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Percent of the images in each bin; a count on an edge goes to the bin that begins there."""
    found, _ = np.histogram(counts, [*edges[:-1], np.inf])
    return 100 * found / max(len(counts), 1)
