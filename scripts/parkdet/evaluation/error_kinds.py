"""Why detections are wrong and objects not found, and what fixing each kind of error would gain.

The kinds are those of TIDE (Bolya, Foley, Hays and Hoffman: A General Toolbox for Identifying
Object Detection Errors, ECCV 2020). A wrong detection is of the first kind that applies:

localisation: its best overlap with an object of its class is at least BACKGROUND_IOU, but too low.
classification: it overlaps an object of another class enough.
duplicate: it overlaps an object of its class enough, but a better detection has found that object.
background: it overlaps no object by BACKGROUND_IOU or more.
both: the rest: an object of another class, with too little overlap.

An object is missed if it is neither found nor the object of a localisation or classification error.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from parkdet.evaluation.average_precision import mean_ap
from parkdet.evaluation.matching import box_iou
from parkdet.evaluation.table import NONE, Table, count

BACKGROUND_IOU = 0.1


class Kind(IntEnum):
    """What a detection is: RIGHT, or wrong in one of five ways; MISSED is for objects only."""

    RIGHT = 0
    CLASSIFICATION = 1
    LOCALISATION = 2
    BOTH = 3
    DUPLICATE = 4
    BACKGROUND = 5
    MISSED = 6


ERRORS = tuple(Kind)[1:]


@dataclass(frozen=True)
class Verdicts:
    """The kind of each detection of a table.

    Attributes:
        kinds: (n,) Kind.
        meant: (n,) row of the object that a LOCALISATION or CLASSIFICATION error is about, or NONE.
    """

    kinds: np.ndarray
    meant: np.ndarray


def judge(table: Table, iou: float = 0.5) -> Verdicts:
    """Determines the kind of each detection.

    Args:
        iou: that of the matching.
    """
    kinds = np.where(table.right, Kind.RIGHT, Kind.BACKGROUND).astype(np.int8)
    meant = np.full(len(kinds), NONE, dtype=np.int64)
    everything = np.ones(len(table.object_categories), dtype=bool)
    for rows, objects in table.by_image(~table.right, everything):
        if len(objects):
            kinds[rows], best = _judge_image(table, rows, objects, iou)
            meant[rows] = np.where(best >= 0, objects[best], NONE)
    return Verdicts(kinds, meant)


def _judge_image(
    table: Table, rows: np.ndarray, objects: np.ndarray, iou: float
) -> tuple[np.ndarray, np.ndarray]:
    """Kinds (k,) of an image's wrong detections, and the positions in ``objects`` of those meant.

    TIDE's order decides if more than one kind applies.
    """
    no_crowd = np.zeros(len(objects), dtype=bool)
    overlaps = box_iou(table.boxes[rows], table.object_boxes[objects], no_crowd)
    same = table.categories[rows][:, None] == table.object_categories[objects]
    own, other = np.where(same, overlaps, 0.0), np.where(same, 0.0, overlaps)
    best_own, best_other = own.max(axis=1), other.max(axis=1)
    kinds = np.select(
        [
            (best_own >= BACKGROUND_IOU) & (best_own < iou),
            best_other >= iou,
            best_own >= iou,
            np.maximum(best_own, best_other) < BACKGROUND_IOU,
        ],
        [Kind.LOCALISATION, Kind.CLASSIFICATION, Kind.DUPLICATE, Kind.BACKGROUND],
        Kind.BOTH,
    )
    meant = np.select(
        [kinds == Kind.LOCALISATION, kinds == Kind.CLASSIFICATION],
        [own.argmax(axis=1), other.argmax(axis=1)],
        NONE,
    )
    return kinds, meant


def missed(table: Table, verdicts: Verdicts, kept: np.ndarray) -> np.ndarray:
    """(m,) objects that no detection in ``kept`` (n,) finds, or would find if it were fixed."""
    return ~(table.found_by(kept) | table.among_objects(verdicts.meant[kept]))


def count_kinds(table: Table, verdicts: Verdicts, kept: np.ndarray) -> dict[Kind, int]:
    """How many detections in ``kept`` (n,) are of each kind, and how many objects are missed."""
    counts = np.bincount(verdicts.kinds[kept], minlength=len(Kind))
    counts[Kind.MISSED] = np.count_nonzero(missed(table, verdicts, kept))
    return {kind: int(counts[kind]) for kind in Kind}


def gains(table: Table, verdicts: Verdicts) -> dict[Kind, float]:
    """What the mean AP would gain if all errors of one kind, and only those, were fixed.

    As in TIDE, the best of the detections about an object not yet found is made right; all others
    of the kind are removed; missed objects no longer have to be found. The mean is always over the
    same classes. NaN if there is no AP.
    """
    now = mean_ap(table.categories, table.right, table.positives)
    return {kind: _fixed_ap(table, verdicts, kind) - now for kind in ERRORS}


def _fixed_ap(table: Table, verdicts: Verdicts, kind: Kind) -> float:
    if kind is Kind.MISSED:
        everything = np.ones(len(table.scores), dtype=bool)
        lost = count(table.object_categories[missed(table, verdicts, everything)])
        left = {key: number - lost.get(key, 0) for key, number in table.positives.items()}
        return mean_ap(table.categories, table.right, left)
    wrong = verdicts.kinds == kind
    fixed = _first_about_unfound(table, verdicts.meant, wrong)
    categories, right = table.categories.copy(), table.right
    categories[fixed] = table.object_categories[verdicts.meant[fixed]]
    right[fixed] = True
    kept = ~wrong | right
    return mean_ap(categories[kept], right[kept], table.positives)


def _first_about_unfound(table: Table, meant: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Rows of the best of the ``wrong`` (n,) detections about each object that was not found."""
    found = table.found_by(table.right)
    rows = np.flatnonzero(wrong & (meant != NONE))
    rows = rows[~found[meant[rows]]]
    return rows[np.unique(meant[rows], return_index=True)[1]]
