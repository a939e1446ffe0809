"""Maps the classes of a detector to the category ids of a data set."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from parkdet.detector.checkpoints import Checkpoint
from parkdet.errors import UserError
from parkdet.inference.sources import Category

log = logging.getLogger("parkdet")


def category_ids(
    checkpoint: Checkpoint, categories: Sequence[Category], weights: Path
) -> dict[int, int]:
    """Class index -> category id.

    These are the ids stored in the weights if the data set gives them the same names; otherwise
    classes are matched by name. A class without a category is left out, which is logged. For a
    data set without categories they are the ids stored in the weights, or class index + 1.

    Args:
        categories: those of the data set; empty if it lists none.
        weights: file of the checkpoint, for messages.

    Raises:
        UserError: no class has a category.
    """
    names, known = checkpoint.names, checkpoint.category_ids
    if not categories:
        return dict(enumerate(known or range(1, len(names) + 1)))
    listed = {category.id: category.name for category in categories}
    pairs = zip(known, names, strict=False)
    if known and all(listed.get(number) == name for number, name in pairs):
        return dict(enumerate(known))
    by_name = {category.name: category.id for category in categories}
    found = {index: by_name[name] for index, name in enumerate(names) if name in by_name}
    if not found:
        raise UserError(
            f"None of the classes of {weights} ({_some(names)}) is a category of the images "
            f"({_some([*by_name])}): use weights trained on these categories."
        )
    left_out = [name for name in names if name not in by_name]
    if left_out:
        log.warning(
            "%d of %d classes of %s are not categories of the images and are left out: %s",
            len(left_out),
            len(names),
            weights,
            _some(left_out),
        )
    return found


def check_names(detectors: Sequence[Mapping[int, str]]) -> None:
    """Checks that each category id has the same name in all detectors.

    Args:
        detectors: for each detector, category id -> name.

    Raises:
        UserError: a category has two names.
    """
    known: dict[int, str] = {}
    for names in detectors:
        for number, name in names.items():
            if known.setdefault(number, name) != name:
                raise UserError(
                    f"The weights cannot be combined: category {number} is `{known[number]}` in "
                    f"one and `{name}` in another. Give the images as a COCO file with "
                    "`categories` (--images), to which classes are matched by name."
                )


def _some(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return f"{shown}, ..." if len(names) > most else shown
