"""Holds out the val images: which way of splitting is used, and its result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from parkdet.data.annotations import Box, read_raw, whole_number
from parkdet.data.issues import Issues
from parkdet.data.splits import (
    LEAST_GROUPS,
    choose_given,
    default_val_images,
    draw_groups,
    draw_random,
    group_key,
    groups_of,
)
from parkdet.errors import UserError


class SplitSettings(NamedTuple):
    """What determines the split: see the options of prepare_dataset.py."""

    split: str
    val_images: int | None
    seed: int
    group_pattern: str | None
    val_json: Path | None


class Holdout(NamedTuple):
    """The result of splitting.

    Attributes:
        val: ids held out.
        used: the way of splitting.
        requested: number of val images wanted; None for a given val set.
        groups: image id -> recording.
    """

    val: set[int]
    used: str
    requested: int | None
    groups: dict[int, str]
    warnings: list[str]


def hold_out(
    settings: SplitSettings,
    listed_ids: Sequence[int],
    names: Mapping[int, str],
    boxes: Mapping[int, Sequence[Box]],
    issues: Issues,
) -> Holdout:
    """Splits the images.

    A random draw is from all ids in the annotation file, as in 2022, so val can turn out smaller
    by the images that are left out; a draw by recording is from the images that are used.

    Args:
        listed_ids: ids in the annotation file, in file order.
        names: source names of the images that are used, by id.
        boxes: their boxes, by image id.

    Raises:
        UserError: the split cannot be made.
    """
    key = group_key(settings.group_pattern)
    groups = groups_of(names, key)
    unnamed = sum(group.startswith("\0") for group in groups.values())
    used, warnings = settings.split, []
    if used == "auto":
        used, warnings = _choose(unnamed, len(set(groups.values())))
    elif used == "group" and unnamed:
        warnings.append(
            f"{unnamed} image names do not show their recording: each counts as its own recording."
        )
    if used == "given":
        return Holdout(_given(settings.val_json, names, issues), used, None, groups, warnings)
    wanted = settings.val_images
    if wanted is None:
        wanted = default_val_images(len(listed_ids if used == "random" else names))
    if used == "random":
        val = draw_random(listed_ids, wanted, settings.seed)
        return Holdout(val & names.keys(), used, wanted, groups, warnings)
    classes = {number: {box.category_id for box in boxes[number]} for number in names}
    val = draw_groups(groups, classes, wanted, settings.seed)
    return Holdout(val, used, wanted, groups, warnings)


def _choose(unnamed: int, groups: int) -> tuple[str, list[str]]:
    """`auto`: by recording if the names show enough of them, else at random with a warning."""
    if not unnamed and groups >= LEAST_GROUPS:
        return "group", []
    reason = (
        f"{unnamed} image names do not show a recording"
        if unnamed
        else f"the image names show only {groups} recording(s), fewer than {LEAST_GROUPS}"
    )
    return "random", [
        f"Split at random, because {reason}: if neighbouring frames of a video are on both sides, "
        "val scores are too high. --group-pattern (data.group_pattern) tells recordings apart."
    ]


def _given(val_json: Path | None, names: Mapping[int, str], issues: Issues) -> set[int]:
    if val_json is None:
        raise UserError("--split given (data.split) needs --val-json FILE (data.val_json).")
    wanted = [
        (whole_number(image.id), image.file_name if isinstance(image.file_name, str) else None)
        for image in read_raw(val_json).images
    ]
    chosen, missing = choose_given(names, wanted)
    for number, name in missing:
        issues.left_out("image of the given val set is not among the usable images", name, number)
    if not chosen or len(chosen) == len(names):
        raise UserError(
            f"{val_json} names {len(chosen)} of the {len(names)} usable training images: both val "
            "and train need at least one. Its images are matched by file_name, else by id."
        )
    return chosen
