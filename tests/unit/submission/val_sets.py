"""Val sets whose boxes are right as often as a test needs."""

from collections.abc import Sequence

import numpy as np

from parkdet.submission.records import Detection


def val_set(
    scores: Sequence[float], right: Sequence[bool], categories: Sequence[int], missed: int = 0
) -> tuple[dict, list[Detection]]:
    """A COCO truth and detections, one per image: on its only object, or on nothing.

    Args:
        missed: number of objects of the first category without a detection.
    """
    box = (10.0, 10.0, 40.0, 30.0)
    rows = zip(scores, right, categories, strict=True)
    detections, objects = [], []
    for image, (score, is_right, category) in enumerate(rows, start=1):
        detections.append(Detection(image, category, box, score))
        if is_right:
            objects.append({"image_id": image, "category_id": category, "bbox": box})
    last = len(detections)
    for image in range(last + 1, last + 1 + missed):
        objects.append({"image_id": image, "category_id": categories[0], "bbox": box})
    truth = {
        "images": [{"id": image} for image in range(1, last + missed + 1)],
        "annotations": objects,
        "categories": [{"id": c, "name": str(c)} for c in sorted(set(categories))],
    }
    return truth, detections


def drawn(seed: int, boxes: int, odds: dict[int, float]) -> tuple[np.ndarray, ...]:
    """Scores, whether right, categories; a box of class c is right with probability odds[c] s^2."""
    generator = np.random.default_rng(seed)
    scores = generator.random(boxes).round(4)
    categories = generator.choice([*odds], boxes)
    chance = np.array([odds[c] for c in categories.tolist()]) * scores**2
    return scores, generator.random(boxes) < chance, categories
