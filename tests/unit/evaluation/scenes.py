"""Truth and detections to compare: drawn at random, or assembled from single boxes."""

import numpy as np

from parkdet.evaluation.matching import match
from parkdet.evaluation.table import Table, tabulate
from parkdet.submission.records import Detection


def scene(seed, images=12, classes=5, most=8, detections_each=20, decimals=2):
    """Random truth with crowds, empty images and an objectless class; detections near and far."""
    rng = np.random.default_rng(seed)
    truth = {
        "images": [{"id": 3 * i + 7, "width": 400, "height": 300} for i in range(images)],
        "categories": [{"id": 2 * c + 1, "name": f"class {c}"} for c in range(classes)],
        "annotations": [],
    }
    records = []
    for image in truth["images"]:
        for _ in range(rng.integers(0, most)):
            box = np.concatenate([rng.uniform(0, 250, 2), rng.uniform(4, 150, 2)])
            category = int(2 * rng.integers(0, classes - 1) + 1)
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]),
                    "image_id": image["id"],
                    "category_id": category,
                    "bbox": box.tolist(),
                    "area": float(box[2] * box[3] * rng.uniform(0.5, 1)),
                    "iscrowd": int(rng.random() < 0.15),
                }
            )
            near = box + rng.normal(0, 0.06, 4) * box[[2, 3, 2, 3]]
            score = float(np.round(rng.random(), decimals))
            records.append(Detection(image["id"], category, tuple(near.tolist()), score))
        for _ in range(rng.integers(0, detections_each)):
            box = np.concatenate([rng.uniform(0, 250, 2), rng.uniform(4, 150, 2)])
            category = int(2 * rng.integers(0, classes) + 1)
            score = float(np.round(rng.random(), decimals))
            records.append(Detection(image["id"], category, tuple(box.tolist()), score))
    return truth, [records[i] for i in rng.permutation(len(records))]


def truth_of(*objects, categories=(1, 2, 3), images=(1, 2)):
    """Truth of objects (image, category, (left, top, width, height)); a fourth item: crowd."""
    return {
        "images": [{"id": image} for image in images],
        "categories": [{"id": number, "name": f"class {number}"} for number in categories],
        "annotations": [
            {
                "image_id": image,
                "category_id": number,
                "bbox": list(box),
                "iscrowd": int(bool(crowd)),
            }
            for image, number, box, *crowd in objects
        ],
    }


def table_of(truth, detections) -> Table:
    """The table of detections given as (image, category, box, score)."""
    records = [
        item if isinstance(item, Detection) else Detection(item[0], item[1], item[2], item[3])
        for item in detections
    ]
    return tabulate(truth, records, match(truth, records))
