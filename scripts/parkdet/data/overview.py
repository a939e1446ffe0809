"""Describes a data set: the report of `prepare_dataset.py --report-only`."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from parkdet.data.annotations import Box, Image
from parkdet.data.collect import Collected, collect
from parkdet.data.conditions import NOT_NAMED, WORDS, conditions_of
from parkdet.data.issues import Issues
from parkdet.data.sources import Sources, refuse_overlap
from parkdet.data.splits import group_key, groups_of
from parkdet.files import write_json

QUANTILES = {"least": 0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "most": 1}
COCO_SIZES = {"small": 32**2, "medium": 96**2, "large": float("inf")}  # areas below this, pixels


def write_overview(
    sources: Sources,
    out: Path | None,
    figures: Path | None,
    names: list[str] | None = None,
    group_pattern: str | None = None,
    decode: bool = False,
) -> None:
    """Checks a data set and reports what is in it; nothing else is written.

    Args:
        out: JSON file; None: to stdout.
        figures: folder of SVG figures; None: none.
        names: class names, if the annotations have none.
        group_pattern: see `splits.group_key`.
        decode: decode images in full instead of reading their headers.

    Raises:
        UserError: the data cannot be read, or a file cannot be written.
    """
    key = group_key(group_pattern)
    issues = Issues()
    for target in filter(None, (out, figures)):
        refuse_overlap(sources, target)
    decoded = {"train", "test"} if decode else set()
    overview = describe(collect(sources, names, decoded, None, issues), key, issues)
    if out is None:
        print(msgspec.json.format(msgspec.json.encode(overview), indent=2).decode())
    else:
        write_json(out, overview, indent=2)
    if figures is not None:
        from parkdet.data.overview_figures import draw_overview

        draw_overview(overview, figures)


def describe(
    collected: Collected, key: Callable[[str], str | None], issues: Issues
) -> dict[str, Any]:
    """Counts of what can be used and of the problems found; the same input gives the same content.

    Args:
        key: from an image's name to its recording, see `splits.group_key`.
    """
    splits = {"train": list(collected.train.images.values())}
    if collected.test is not None:
        splits["test"] = list(collected.test.images.values())
    boxes = [box for own in collected.boxes.values() for box in own]
    recordings = {name: _recordings(images, key) for name, images in splits.items()}
    return {
        "images": {name: len(images) for name, images in splits.items()},
        "unreadable_test_images": sum(image.unreadable for image in splits.get("test", ())),
        "boxes": len(boxes),
        "boxes_an_image": _numbered(len(own) for own in collected.boxes.values()),
        "image_sizes": {
            name: _ordered(Counter(f"{image.width}x{image.height}" for image in images))
            for name, images in splits.items()
        },
        "box_sides": _sides(boxes),
        "classes": _classes(collected, boxes),
        "recordings": {name: _images_each(counts) for name, counts in recordings.items()},
        "recordings_in_train_and_test": len(
            recordings["train"].keys() & recordings.get("test", {}).keys()
        ),
        "conditions": _conditions(splits, collected.boxes),
        "issues": issues.counts(),
    }


def _numbered(values: Iterable[int]) -> dict[str, int]:
    """How often each whole number occurs, in ascending order."""
    return {str(value): count for value, count in sorted(Counter(values).items())}


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """The counts, highest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _quantiles(values: Sequence[float]) -> dict[str, float] | None:
    if not len(values):
        return None
    found = np.quantile(values, list(QUANTILES.values()))
    return dict(zip(QUANTILES, found.round(1).tolist(), strict=True))


def _sides(boxes: Sequence[Box]) -> dict[str, Any]:
    """Sizes of boxes as the side of a square of equal area, in source pixels."""
    areas = np.array([box.area for box in boxes])
    kinds = np.array(list(COCO_SIZES))[np.searchsorted(list(COCO_SIZES.values()), areas, "right")]
    sides = np.sqrt(areas)
    powers = np.floor(np.log2(np.maximum(sides, 1))).astype(int)
    return {
        "pixels": _quantiles(sides),
        "coco_sizes": {kind: int((kinds == kind).sum()) for kind in COCO_SIZES},
        "counts_from_side": _numbered((2**powers).tolist()),
    }


def _classes(collected: Collected, boxes: Sequence[Box]) -> list[dict[str, Any]]:
    by_class: dict[int, list[Box]] = defaultdict(list)
    for box in boxes:
        by_class[box.category_id].append(box)
    return [
        {
            "category_id": category.id,
            "name": category.name,
            "images": len({box.image_id for box in by_class[category.id]}),
            "boxes": len(by_class[category.id]),
            "side_pixels": _quantiles([box.area**0.5 for box in by_class[category.id]]),
        }
        for category in collected.categories
    ]


def _recordings(images: Iterable[Image], key: Callable[[str], str | None]) -> Counter[str]:
    """Images per recording; an image whose name does not show one is a recording of its own."""
    return Counter(groups_of({image.id: image.file_name for image in images}, key).values())


def _images_each(recordings: Counter[str]) -> dict[str, Any]:
    return {
        "recordings": len(recordings),
        "images_each": _quantiles(list(recordings.values())),
        "recordings_by_images": _numbered(recordings.values()),
    }


def _conditions(
    splits: Mapping[str, Sequence[Image]], boxes: Mapping[int, Sequence[Box]]
) -> dict[str, dict[str, dict[str, int]]]:
    """Images of each split and training boxes by condition, of the kinds that any name gives."""
    counts = {kind: {name: Counter() for name in (*splits, "boxes")} for kind in WORDS}
    for name, images in splits.items():
        for image in images:
            for kind, label in conditions_of(image.file_name).items():
                counts[kind][name][label] += 1
                if name == "train":
                    counts[kind]["boxes"][label] += len(boxes[image.id])
    found = {}
    for kind, columns in counts.items():
        labels = _ordered(sum((columns[name] for name in splits), Counter()))
        if labels.keys() - {NOT_NAMED}:
            found[kind] = {
                label: {name: column[label] for name, column in columns.items()} for label in labels
            }
    return found
