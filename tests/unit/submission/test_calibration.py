import numpy as np
import pytest

from parkdet.submission.calibration import calibrate
from parkdet.submission.records import Detection
from val_sets import drawn, val_set

SCORES = np.linspace(0, 1, 201)


def calibrated(scores, right, categories, missed=0):
    lists = (np.asarray(values).tolist() for values in (scores, right, categories))
    return calibrate(*val_set(*lists, missed=missed), "50")[0]


def test_curve_finds_how_often_boxes_are_right():
    curve = calibrated(*drawn(0, 20_000, {1: 1.0}))
    assert np.abs(curve.chances(SCORES) - SCORES**2).max() < 0.03


@pytest.mark.parametrize("seed", range(3))
def test_curve_never_falls_even_if_the_boxes_suggest_it(seed):
    scores, right, categories = drawn(seed, 300, {1: 1.0})
    curve = calibrated(scores, ~right, categories)
    assert (np.diff(curve.chances(SCORES)) >= 0).all()


@pytest.mark.parametrize("right", [True, False])
def test_boxes_that_are_all_right_or_all_wrong_give_a_finite_curve(right):
    curve = calibrated([0.1, 0.5, 0.9] * 50, [right] * 150, [1] * 150, missed=1)
    chances = curve.chances(SCORES)
    assert np.isfinite([*curve.slopes, curve.intercept]).all()
    assert (chances[100] > 0.9) == right and (chances[100] < 0.1) == (not right)


def test_without_boxes_the_chances_are_the_scores():
    curve = calibrated([], [], [])
    assert np.allclose(curve.chances(SCORES), SCORES, atol=2e-4)
    assert (curve.recall, curve.classes) == (0.0, [])


def test_factor_says_how_much_more_often_a_class_is_right():
    often, seldom = calibrated(*drawn(1, 20_000, {1: 1.0, 2: 0.5})).classes
    assert often.factor / seldom.factor == pytest.approx(2, rel=0.1)


def test_few_boxes_of_a_class_move_its_factor_and_recall_little():
    scores, right, categories = drawn(2, 2000, {1: 1.0})
    few = ([0.5] * 3, [True, False, False], [2] * 3)
    both = [np.concatenate(pair) for pair in zip((scores, right, categories), few, strict=True)]
    curve = calibrated(*both)
    assert [row.category_id for row in curve.classes] == [1, 2]
    assert 0.8 < curve.classes[1].factor < 1.3
    assert curve.classes[1].recall == pytest.approx(curve.recall, abs=0.05)


def test_recall_counts_objects_without_any_detection():
    curve = calibrated([0.9] * 50, [True] * 50, [1] * 50, missed=50)
    assert curve.recall == 0.5
    assert (curve.classes[0].objects, curve.classes[0].right) == (100, 50)


def test_classes_without_objects_have_no_row():
    curve = calibrated([0.9, 0.8], [True, False], [1, 2])
    assert [row.category_id for row in curve.classes] == [1]


def test_each_iou_of_the_ap_has_its_calibration():
    truth = val_set([0.9], [True], [1])[0]
    loose = [Detection(1, 1, (10.0, 10.0, 40.0, 20.0), 0.9)]  # an IoU of 2/3
    found = {c.iou: c.classes[0].right for c in calibrate(truth, loose, "50:95")}
    assert len(found) == 10
    assert [iou for iou, right in found.items() if right] == [0.5, 0.55, 0.6, 0.65]
    assert [c.iou for c in calibrate(truth, loose, "75")] == [0.75]
