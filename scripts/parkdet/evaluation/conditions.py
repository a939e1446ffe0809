"""AP50 by weather, time of day, place and region, taken from the names of the images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parkdet.data.conditions import NOT_NAMED, WORDS, conditions_of
from parkdet.evaluation.average_precision import mean_ap
from parkdet.evaluation.table import Table, count


@dataclass(frozen=True)
class Condition:
    """The images under one condition.

    Attributes:
        boxes: objects to be found in them.
        ap50: mean over the classes that have objects in them; NaN if none has.
    """

    name: str
    images: int
    boxes: int
    ap50: float


def by_condition(table: Table, images: Sequence[dict]) -> dict[str, list[Condition]]:
    """Kind of condition -> conditions with their AP50, the most frequent first.

    A kind that no name gives is left out; images whose names do not give it come last in the kind.

    Args:
        images: COCO images: id and maybe file_name.
    """
    told = [conditions_of(image.get("file_name") or "") for image in images]
    ids = np.array([image["id"] for image in images], dtype=np.int64)
    kinds = {}
    for kind in WORDS:
        names = np.array([labels[kind] for labels in told], dtype=object)
        if set(names) - {NOT_NAMED}:
            rows = [_condition(table, name, ids[names == name]) for name in sorted(set(names))]
            kinds[kind] = sorted(rows, key=lambda row: (row.name == NOT_NAMED, -row.images))
    return kinds


def _condition(table: Table, name: str, ids: np.ndarray) -> Condition:
    chosen = np.isin(table.images, ids)
    positives = count(table.object_categories[np.isin(table.object_images, ids)])
    return Condition(
        name=name,
        images=len(ids),
        boxes=sum(positives.values()),
        ap50=mean_ap(table.categories[chosen], table.right[chosen], positives),
    )
