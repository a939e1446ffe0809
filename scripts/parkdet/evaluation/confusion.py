"""Which classes objects are mistaken for, at one confidence and IoU."""

from collections.abc import Sequence

import numpy as np

from parkdet.evaluation.matching import box_iou, take
from parkdet.evaluation.table import NONE, Table


def confusion_matrix(
    table: Table, categories: Sequence[int], confidence: float, iou: float = 0.5
) -> np.ndarray:
    """Counts (k + 1, k + 1): rows are true classes, columns predicted ones; background is last.

    The diagonal holds the right detections. Each of the others, best first, takes the object still
    free that it overlaps most, so a row adds up to the objects of its class and a column to the
    detections. The last cell, background for background, is 0.

    Args:
        categories: the k category ids, in the order of the matrix.
        confidence: least score of a detection that counts; NaN: none counts.
        iou: that of the matching.
    """
    kept = table.scores >= confidence
    taken = np.where(kept, table.found, NONE)
    free = ~table.found_by(kept)
    for rows, objects in table.by_image(kept & ~table.right, free):
        if len(objects):
            nothing = np.zeros(len(objects), dtype=bool)
            overlaps = box_iou(table.boxes[rows], table.object_boxes[objects], nothing)
            best = take(overlaps, ~nothing, iou)
            taken[rows] = np.where(best >= 0, objects[best], NONE)
    place = {category: number for number, category in enumerate(categories)}
    of_objects = np.array([place[key] for key in table.object_categories.tolist()], dtype=np.int64)
    of_objects = np.append(of_objects, len(place))  # for NONE
    reported = np.array([place[key] for key in table.categories[kept].tolist()], dtype=np.int64)
    matrix = np.zeros((len(place) + 1, len(place) + 1), dtype=np.int64)
    np.add.at(matrix, (of_objects[taken[kept]], reported), 1)
    lost = ~table.among_objects(taken)
    np.add.at(matrix, (of_objects[:-1][lost], len(place)), 1)
    return matrix
