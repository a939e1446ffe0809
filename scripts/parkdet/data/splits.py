"""Draws the images held out for validation; the same seed gives the same draw."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random

from parkdet.errors import UserError

LEAST_GROUPS = 5  # recordings that `auto` needs to split by recording


def group_key(pattern: str | None) -> Callable[[str], str | None]:
    """A function from an image's name to its recording, or None for a name that does not match.

    Args:
        pattern: regular expression, searched for in the name, whose first group is the recording;
            None: the name without its last number, which is the frame number.

    Raises:
        UserError: not a regular expression, or one without a group.
    """
    if pattern is None:
        return _without_frame_number
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"--group-pattern (data.group_pattern) {pattern!r} is not a regular "
            f"expression: {error}."
        ) from error
    if not expression.groups:
        raise UserError(
            f"--group-pattern (data.group_pattern) {pattern!r} has no group: put the part of the "
            r"name that is the recording in parentheses, as in '_(\d+)_\d+\.png$'."
        )

    def first_group(name: str) -> str | None:
        match = expression.search(unicodedata.normalize("NFC", name))
        return match and match.group(1)

    return first_group


def _without_frame_number(name: str) -> str | None:
    stem = unicodedata.normalize("NFC", name).rpartition(".")[0]
    match = re.search(r"\d+(?=\D*$)", stem)
    return match and stem[: match.start()] + "#" + stem[match.end() :]


def groups_of(names: Mapping[int, str], key: Callable[[str], str | None]) -> dict[int, str]:
    """Image id -> recording; an image whose name does not match is its own recording."""
    return {number: key(name) or f"\0{name}" for number, name in names.items()}


def draw_random(ids: Sequence[int], val_images: int, seed: int) -> set[int]:
    """``random.seed(seed); random.sample(tuple(ids), val_images)``, the draw of 2022.

    Args:
        ids: of all images in the order of the annotation file, including those left out later.
    """
    check_val_images(val_images, len(ids))
    return set(Random(seed).sample(tuple(ids), val_images))


def default_val_images(images: int) -> int:
    """Number of val images unless the user gives one: an eighth, at most the 3000 of 2022."""
    return min(3000, max(1, images // 8))


def check_val_images(val_images: int, images: int) -> None:
    """Raises UserError unless there is at least one image for each side."""
    if not 1 <= val_images < images:
        raise UserError(
            f"--val-images {val_images} (data.val_images) must be at least 1 and less than the "
            f"{images} images to split."
        )


def draw_groups(
    groups: Mapping[int, str],
    classes: Mapping[int, Iterable[int]],
    val_images: int,
    seed: int,
) -> set[int]:
    """Holds out whole recordings, about ``val_images`` images in all.

    Greedy, in a seeded order of the recordings: first, for each class from the rarest on, one
    recording that shows it; then any recording that brings val nearer to its size. The last
    recording of a class stays in train unless val could not be filled otherwise. No recording left
    in train would bring val nearer to its size, so val is short by at most half of the smallest of
    them (unless only that one is left, which train keeps), and over by less than half of the one
    taken last; if all are at least twice the size, val is the smallest.

    Args:
        groups: image id -> recording.
        classes: image id -> classes that it shows.
    """
    check_val_images(val_images, len(groups))
    members: dict[str, list[int]] = defaultdict(list)
    shown: dict[str, set[int]] = defaultdict(set)
    for number, group in groups.items():
        members[group].append(number)
        shown[group].update(classes.get(number, ()))
    if len(members) < 2:
        raise UserError(
            "All images belong to one recording, so it cannot be split by recording: use --split "
            "random (data.split), or a --group-pattern (data.group_pattern) that tells them apart."
        )
    order = sorted(members)
    Random(seed).shuffle(order)
    draw = _Draw(members, shown, val_images)
    draw.take_rare_classes(order)
    for spare_last in (True, False):
        for group in order:
            if not (spare_last and draw.is_last_with_a_class(group)):
                draw.take(group)
    if not draw.taken:  # every recording is at least twice as large as val is to be
        draw.taken.add(min(order, key=lambda group: len(members[group])))
    return {number for group in draw.taken for number in members[group]}


class _Draw:
    def __init__(
        self, members: Mapping[str, list[int]], shown: Mapping[str, set[int]], wanted: int
    ) -> None:
        self.members, self.shown, self.wanted = members, shown, wanted
        self.in_train = Counter(number for classes in shown.values() for number in classes)
        self.taken: set[str] = set()
        self.images = 0

    def take_rare_classes(self, order: Sequence[str]) -> None:
        """Takes, for each class that val lacks, the first recording with it that can be spared."""
        by_class: dict[int, list[str]] = defaultdict(list)
        for group in order:
            for number in self.shown[group]:
                by_class[number].append(group)
        for number in sorted(by_class, key=lambda number: (len(by_class[number]), number)):
            if self.taken.isdisjoint(by_class[number]):
                for group in by_class[number]:
                    if not self.is_last_with_a_class(group) and self.take(group):
                        break

    def is_last_with_a_class(self, group: str) -> bool:
        return any(self.in_train[number] == 1 for number in self.shown[group])

    def take(self, group: str) -> bool:
        """Moves a recording to val if that brings val nearer to its size and leaves train one."""
        after = self.images + len(self.members[group])
        nearer = abs(after - self.wanted) < abs(self.images - self.wanted)
        if not nearer or group in self.taken or len(self.taken) == len(self.members) - 1:
            return False
        self.taken.add(group)
        self.images = after
        self.in_train.subtract(self.shown[group])
        return True


def choose_given(
    names: Mapping[int, str], wanted: Iterable[tuple[int | None, str | None]]
) -> tuple[set[int], list[tuple[int | None, str | None]]]:
    """Finds the images of the user's own val set: by name, else by id.

    Returns:
        Their ids, and the entries (id, name) of ``wanted`` that were not found.
    """
    by_name = {unicodedata.normalize("NFC", name): number for number, name in names.items()}
    chosen, missing = set(), []
    for number, name in wanted:
        found = by_name.get(unicodedata.normalize("NFC", name)) if name is not None else None
        if found is None and number in names:
            found = number
        if found is None:
            missing.append((number, name))
        else:
            chosen.add(found)
    return chosen, missing
