"""Compares weighted boxes fusion with that of its authors' ensemble-boxes package.

Two differences are intended. Which of equal scores comes first is undefined in the package (it uses
numpy's quicksort); here it is the earlier detector's. And the package drops boxes without area.
"""

import importlib.metadata
import importlib.util

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parkdet.inference.detect import ImageDetections
from parkdet.inference.fuse import fuse_by_wbf

SIZE = 1000  # pixels of the square images; the package wants boxes from 0 to 1


@pytest.fixture(scope="module")
def package():
    """The module alone, which imports only numpy; the package itself requires numba."""
    distribution = importlib.metadata.distribution("ensemble-boxes")
    path = distribution.locate_file("ensemble_boxes/ensemble_boxes_wbf.py")
    spec = importlib.util.spec_from_file_location("ensemble_boxes_wbf", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.weighted_boxes_fusion


def _random_result(generator, count, classes):
    """Boxes near a few places, so that many overlap, even those of one detector."""
    places = generator.choice([150, 180, 400, 700], (count, 2))
    centres = places + generator.normal(0, 8, (count, 2))
    halves = generator.uniform(30, 60, (count, 2))
    return ImageDetections(
        1,
        numpy.hstack((centres - halves, centres + halves)).clip(0, SIZE).astype(numpy.float32),
        generator.uniform(0.01, 1, count).astype(numpy.float32),
        generator.integers(0, classes, count),
    )


def _rows(boxes, scores, classes):
    """Class, edges from 0 to 1 and score of each box, in an order that ignores the scores."""
    rows = numpy.column_stack((classes, boxes, scores))
    return rows[numpy.lexsort(rows[:, :5].round(5).T[::-1])]


def _assert_equal(package, results, iou, scores=None):
    """Compares the fusions; the package gets ``scores`` in place of the results' own."""
    expected = package(
        [result.boxes.astype(float) / SIZE for result in results],
        scores or [result.scores.astype(float) for result in results],
        [result.classes for result in results],
        iou_thr=iou,
    )
    found = fuse_by_wbf(results, iou, 10**6)
    rows = _rows(found.boxes.astype(float) / SIZE, found.scores, found.classes)
    assert rows == pytest.approx(_rows(*expected), abs=1e-6)
    assert (numpy.diff(found.scores) <= 0).all()


cases = given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    classes=st.integers(1, 3),
    iou=st.floats(0.2, 0.9),
)


# Derandomised, since an overlap within rounding of the threshold may fall on either side.
@settings(derandomize=True, max_examples=100, deadline=None)
@cases
def test_random_boxes_fuse_as_in_the_package(package, seed, counts, classes, iou):
    generator = numpy.random.default_rng(seed)
    results = [_random_result(generator, count, classes) for count in counts]
    _assert_equal(package, results, iou)


@settings(derandomize=True, max_examples=50, deadline=None)
@cases
def test_of_equal_scores_the_earlier_detector_s_is_fused_first(package, seed, counts, classes, iou):
    generator = numpy.random.default_rng(seed)
    results, scores, place = [], [], 0
    for count in counts:
        result = _random_result(generator, count, classes)
        equal = generator.choice([0.25, 0.5, 0.75], count)
        equal_scores = equal.astype(numpy.float32)
        results.append(ImageDetections(1, result.boxes, equal_scores, result.classes))
        scores.append(equal - 1e-9 * numpy.arange(place, place + count))  # told apart, in order
        place += count
    _assert_equal(package, results, iou, scores)


def test_many_boxes_of_three_detectors_fuse_as_in_the_package(package):
    generator = numpy.random.default_rng(0)
    _assert_equal(package, [_random_result(generator, 300, 2) for _ in range(3)], 0.55)


def test_a_box_without_area_is_not_fused():
    box = numpy.array([[0, 10, 0, 40]], dtype=numpy.float32)
    result = ImageDetections(1, box, numpy.float32([0.5]), numpy.array([0]))
    fused = fuse_by_wbf([result, result], 0.5, 9)
    assert fused.boxes.tolist() == [[0, 10, 0, 40]] * 2
    assert fused.scores == pytest.approx([0.25, 0.25])
