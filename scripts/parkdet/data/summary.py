"""Summarizes a prepared data set: what is in it, how it was split, what a user should know."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from parkdet.data.annotations import Category, Dataset
from parkdet.data.holdout import Holdout, SplitSettings
from parkdet.data.issues import Issues


def summarize(
    splits: Mapping[str, Dataset],
    settings: SplitSettings,
    holdout: Holdout,
    near_duplicates: dict[str, Any] | None,
    issues: Issues,
) -> dict[str, Any]:
    """The content of summary.json; the same input gives the same bytes.

    Args:
        splits: train, val and, if there is a test set, test.
        near_duplicates: see `duplicates.find_near_duplicates`; None if they were not looked for.
    """
    labelled = {name: splits[name] for name in ("train", "val")}
    recordings = _recordings(labelled, holdout.groups)
    copies = _copies(labelled)
    classes = _classes(labelled)
    return {
        "split": {
            "requested": settings.split,
            "used": holdout.used,
            "seed": settings.seed,
            "val_images_requested": holdout.requested,
        },
        "images": {name: len(split.images) for name, split in splits.items()},
        "boxes": {name: len(split.annotations) for name, split in labelled.items()},
        "images_without_boxes": {name: _without_boxes(split) for name, split in labelled.items()},
        "unreadable_test_images": _unreadable(splits),
        "recordings": recordings,
        "val_images_identical_to_a_train_image": copies,
        "near_duplicates": near_duplicates,
        "classes": classes,
        "issues": issues.counts(),
        "warnings": [
            *holdout.warnings,
            *_warnings(holdout, recordings, copies, classes),
            *_near_warnings(near_duplicates),
        ],
    }


def _without_boxes(split: Dataset) -> int:
    return len(split.images) - len({box.image_id for box in split.annotations})


def _unreadable(splits: Mapping[str, Dataset]) -> int:
    return sum(image.unreadable for split in splits.values() for image in split.images)


def _recordings(splits: Mapping[str, Dataset], groups: Mapping[int, str]) -> dict[str, int]:
    """Recordings in train and val, and how many val images share a recording with train."""
    of_train = Counter(groups[image.id] for image in splits["train"].images)
    of_val = Counter(groups[image.id] for image in splits["val"].images)
    shared = of_train.keys() & of_val.keys()
    return {
        "train": len(of_train),
        "val": len(of_val),
        "shared": len(shared),
        "val_images_sharing_a_recording_with_train": sum(of_val[group] for group in shared),
    }


def _copies(splits: Mapping[str, Dataset]) -> int:
    of_train = {image.sha256 for image in splits["train"].images}
    return sum(image.sha256 in of_train for image in splits["val"].images)


def _classes(splits: Mapping[str, Dataset]) -> list[dict[str, Any]]:
    counted = {name: _count_classes(split) for name, split in splits.items()}

    def row(number: int, category: Category) -> dict[str, Any]:
        return {
            "class": number,
            "category_id": category.id,
            "name": category.name,
            "images": {name: images[category.id] for name, (images, _) in counted.items()},
            "boxes": {name: boxes[category.id] for name, (_, boxes) in counted.items()},
        }

    return [row(*numbered) for numbered in enumerate(splits["train"].categories)]


def _count_classes(split: Dataset) -> tuple[Counter[int], Counter[int]]:
    """Images that show each category, and boxes of each category."""
    shown = {(box.image_id, box.category_id) for box in split.annotations}
    images = Counter(category for _, category in shown)
    return images, Counter(box.category_id for box in split.annotations)


def _warnings(
    holdout: Holdout, recordings: dict[str, int], copies: int, classes: list[dict[str, Any]]
) -> list[str]:
    warnings = []
    sharing = recordings["val_images_sharing_a_recording_with_train"]
    if sharing and holdout.used != "random":
        warnings.append(
            f"{sharing} val images share a recording with train: val scores are too high."
        )
    if copies:
        warnings.append(
            f"{copies} val images are identical to a train image: val scores are too high."
        )
    for side in ("train", "val"):
        empty = [row["name"] for row in classes if not row["boxes"][side]]
        if empty:
            warnings.append(f"No box in {side} of: {', '.join(empty)}.")
    return warnings


def _near_warnings(near_duplicates: dict[str, Any] | None) -> list[str]:
    warnings = []
    if near_duplicates and near_duplicates["val_images"]:
        warnings.append(
            f"{near_duplicates['val_images']} val images nearly equal a train image "
            "(near_duplicates in summary.json): val scores are too high."
        )
    if near_duplicates and near_duplicates["not_decoded"]:
        warnings.append(
            f"{near_duplicates['not_decoded']} images cannot be decoded and were not compared: "
            "--verify full (data.verify) finds and lists them."
        )
    return warnings
