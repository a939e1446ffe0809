"""Detections and objects as arrays, for all figures derived from one matching."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from parkdet.evaluation.matching import IGNORED, Matches
from parkdet.submission.records import Detection

NONE = -1  # in place of an object


@dataclass(frozen=True)
class Table:
    """The n detections that count, best first, and the m objects to be found (without crowds).

    Attributes:
        scores: (n,) confidence.
        categories: (n,) category id.
        images: (n,) image id.
        boxes: (n, 4) left, top, width, height in pixels.
        found: (n,) row of the object that a right detection found; NONE for a wrong one.
        object_categories: (m,) category id.
        object_images: (m,) image id.
        object_boxes: (m, 4) likewise.
    """

    scores: np.ndarray
    categories: np.ndarray
    images: np.ndarray
    boxes: np.ndarray
    found: np.ndarray
    object_categories: np.ndarray
    object_images: np.ndarray
    object_boxes: np.ndarray

    @property
    def positives(self) -> dict[int, int]:
        """Category id -> objects to be found."""
        return count(self.object_categories)

    @property
    def right(self) -> np.ndarray:
        """(n,) which detections found an object."""
        return self.found != NONE

    def found_by(self, kept: np.ndarray) -> np.ndarray:
        """(m,) which objects are found by the detections ``kept`` (n,)."""
        return self.among_objects(self.found[kept])

    def among_objects(self, rows: np.ndarray) -> np.ndarray:
        """(m,) which objects are among ``rows``, which may contain NONE."""
        named = np.zeros(len(self.object_categories), dtype=bool)
        named[rows[rows != NONE]] = True
        return named

    def by_image(
        self, chosen: np.ndarray, objects: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each image, rows of the chosen (n,) detections, best first, and of the (m,) objects.

        Images without a chosen detection are left out.
        """
        rows, columns = np.flatnonzero(chosen), np.flatnonzero(objects)
        if not len(rows):
            return
        rows = rows[np.argsort(self.images[rows], kind="stable")]
        columns = columns[np.argsort(self.object_images[columns], kind="stable")]
        images, starts = np.unique(self.images[rows], return_index=True)
        places = self.object_images[columns]
        first, last = (np.searchsorted(places, images, side) for side in ("left", "right"))
        for group, low, high in zip(np.split(rows, starts[1:]), first, last, strict=True):
            yield group, columns[low:high]


def count(ids: np.ndarray) -> dict[int, int]:
    """How often each id occurs."""
    values, counts = np.unique(ids, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def tabulate(truth: dict, detections: Sequence[Detection], matches: Matches) -> Table:
    """The arrays of a truth and of the detections that were matched with it.

    As in COCO, of detections with equal scores those in the image with the lower id come first.
    """
    images = np.array([record.image_id for record in detections], dtype=np.int64)
    order = np.lexsort((images, -matches.scores))
    order = order[matches.outcomes[order] != IGNORED]
    boxes = np.array([detections[index].bbox for index in order], dtype=np.float64)
    annotations = truth["annotations"]
    places = [at for at, item in enumerate(annotations) if not item.get("iscrowd")]
    row_of = np.full(len(annotations) + 1, NONE, dtype=np.int64)  # the last: no annotation
    row_of[places] = np.arange(len(places))
    objects = [annotations[at] for at in places]
    return Table(
        scores=matches.scores[order],
        categories=matches.categories[order],
        images=images[order],
        boxes=boxes.reshape(-1, 4),
        found=row_of[matches.found[order]],
        object_categories=np.array([item["category_id"] for item in objects], dtype=np.int64),
        object_images=np.array([item["image_id"] for item in objects], dtype=np.int64),
        object_boxes=np.array([item["bbox"] for item in objects], np.float64).reshape(-1, 4),
    )
