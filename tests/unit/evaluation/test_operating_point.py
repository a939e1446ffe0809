import math
from collections import Counter

import numpy as np
import pytest

from parkdet.evaluation.matching import IGNORED, RIGHT, WRONG, Matches, box_iou, match
from parkdet.evaluation.operating_point import best_f1
from parkdet.submission.records import Detection


def truth_of(*boxes, crowd=()):
    return {
        "images": [{"id": 1}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": list(box), "iscrowd": int(i in crowd)}
            for i, box in enumerate(boxes)
        ],
    }


def car(x, score, width=10.0):
    return Detection(1, 1, (x, 0.0, width, 10.0), score)


def test_second_detection_of_an_object_is_wrong():
    truth = truth_of((0, 0, 10, 10))
    matches = match(truth, [car(0.5, 0.6), car(0.0, 0.9), car(60.0, 0.95)])
    assert matches.outcomes.tolist() == [WRONG, RIGHT, WRONG]
    assert matches.positives == {1: 1}


def test_best_scored_detection_takes_the_object_it_overlaps_most():
    truth = truth_of((0, 0, 10, 10), (2, 0, 10, 10))
    matches = match(truth, [car(1.8, 0.9), car(0.2, 0.8), car(1.0, 0.7)])
    assert matches.outcomes.tolist() == [RIGHT, RIGHT, WRONG]


def test_detection_in_a_crowd_is_ignored_and_a_crowd_is_not_an_object():
    truth = truth_of((0, 0, 100, 10), (200, 0, 10, 10), crowd=[0])
    matches = match(truth, [car(20.0, 0.9), car(40.0, 0.8), car(200.0, 0.7)])
    assert matches.outcomes.tolist() == [IGNORED, IGNORED, RIGHT]
    assert matches.positives == {1: 1}


def test_detections_after_the_first_hundred_are_ignored():
    matches = match(truth_of((0, 0, 10, 10)), [car(300.0, 0.9)] * 100 + [car(0.0, 0.1)])
    assert matches.outcomes.tolist() == [WRONG] * 100 + [IGNORED]


def test_iou_of_boxes_and_crowds():
    boxes = np.array([[0.0, 0.0, 10.0, 10.0]])
    objects = np.array([[5.0, 0.0, 10.0, 10.0], [5.0, 0.0, 10.0, 10.0], [20.0, 0.0, 5.0, 5.0]])
    assert box_iou(boxes, objects, np.array([False, True, False]))[0] == pytest.approx(
        [1 / 3, 0.5, 0.0]
    )


def slow_best_f1(matches):
    """Counts anew with each score as the threshold."""
    best = (-1.0, math.nan)
    for threshold in sorted({*matches.scores.tolist()}, reverse=True):
        f1 = []
        for category, objects in matches.positives.items():
            kept = (matches.scores >= threshold) & (matches.categories == category)
            right = int((kept & (matches.outcomes == RIGHT)).sum())
            wrong = int((kept & (matches.outcomes == WRONG)).sum())
            precision = right / max(right + wrong, 1)
            recall = right / objects
            f1.append(2 * precision * recall / max(precision + recall, 1e-300))
        best = max(best, (float(np.mean(f1)), threshold), key=lambda pair: pair[0])
    return best


@pytest.mark.parametrize("seed", range(10))
def test_best_f1_equals_trying_every_score(seed):
    rng = np.random.default_rng(seed)
    n = 60
    scores = np.round(rng.random(n), 1 + seed % 3)
    outcomes = np.where(rng.random(n) < scores, RIGHT, WRONG).astype(np.int8)
    categories = rng.integers(1, 5, n)
    found = Counter(categories[outcomes == RIGHT].tolist())
    positives = Counter({c: found[c] + int(rng.integers(1, 9)) for c in range(1, 4)})
    found = np.where(outcomes == RIGHT, np.arange(n), -1)
    matches = Matches(outcomes, scores, categories, found, positives)
    f1, threshold = slow_best_f1(matches)
    point = best_f1(matches)
    assert point.mean.f1 == pytest.approx(f1)
    assert point.confidence == threshold
    assert point.mean.precision == pytest.approx(
        np.mean([rates.precision for rates in point.per_class.values()])
    )
