import math

import numpy as np
import pytest

from parkdet.evaluation.reliability import (
    BINS,
    LEAST_IN_BIN,
    LEAST_SCORE,
    expected_calibration_error,
    reliability_bins,
)


def test_bins_hold_equally_many_and_give_score_and_precision():
    scores = np.repeat([0.9, 0.5], 50)
    right = np.arange(100) % 10 < np.repeat([9, 2], 50)
    bins = reliability_bins(scores, right)
    assert [one.detections for one in bins] == [10] * BINS
    assert [(one.low, one.high) for one in bins] == [(0.5, 0.5)] * 5 + [(0.9, 0.9)] * 5
    assert [one.precision for one in bins] == pytest.approx([0.2] * 5 + [0.9] * 5)
    assert expected_calibration_error(bins) == pytest.approx(0.15)  # half are 0.3 off, half right


def test_scores_that_are_chances_have_a_small_error_and_squared_ones_a_large_one():
    rng = np.random.default_rng(0)
    chances = np.sort(rng.uniform(0.06, 1, 20_000))[::-1]
    right = rng.random(20_000) < chances
    assert expected_calibration_error(reliability_bins(chances, right)) < 0.02
    bins = reliability_bins(chances**0.25, right)
    assert expected_calibration_error(bins) == pytest.approx(
        np.mean(chances**0.25 - chances), abs=0.02
    )


def test_detections_below_the_least_score_do_not_count():
    scores = np.array([0.8, LEAST_SCORE, LEAST_SCORE - 0.001])
    (one,) = reliability_bins(scores, np.array([True, False, False]))
    assert (one.low, one.high, one.detections) == (LEAST_SCORE, 0.8, 2)
    assert one.precision == 0.5


def test_few_detections_give_fewer_bins_and_none_give_none():
    count = 3 * LEAST_IN_BIN + 1
    bins = reliability_bins(np.full(count, 0.5), np.ones(count, bool))
    assert sorted(one.detections for one in bins) == [10, 10, 11]
    assert reliability_bins(np.zeros(0), np.zeros(0, bool)) == []
    assert math.isnan(expected_calibration_error([]))
