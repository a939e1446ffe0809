import numpy
import pytest

from parkdet.inference.detect import ImageDetections
from parkdet.inference.fuse import fuse_by_nms, fuse_by_wbf


def _found(*rows):
    boxes = numpy.array([row[:4] for row in rows], dtype=numpy.float32).reshape(-1, 4)
    scores = numpy.array([row[4] for row in rows], dtype=numpy.float32)
    classes = numpy.array([row[5] for row in rows], dtype=numpy.int64)
    return ImageDetections(3, boxes, scores, classes)


def test_the_best_of_overlapping_boxes_of_a_class_is_kept():
    one = _found((0, 0, 10, 10, 0.6, 1), (50, 50, 60, 60, 0.5, 1))
    two = _found((1, 0, 10, 10, 0.8, 1), (0, 0, 10, 10, 0.7, 2))
    fused = fuse_by_nms([one, two], 0.5, 10)
    assert fused.id == 3
    assert fused.scores == pytest.approx([0.8, 0.7, 0.5])
    assert fused.classes.tolist() == [1, 2, 1]


def test_only_the_best_are_kept():
    one = _found((0, 0, 10, 10, 0.6, 1), (50, 50, 60, 60, 0.5, 1))
    assert fuse_by_nms([one, _found()], 0.5, 1).scores == pytest.approx([0.6])


@pytest.mark.parametrize("fuse", [fuse_by_nms, fuse_by_wbf])
def test_nothing_found_by_any(fuse):
    fused = fuse([_found(), _found()], 0.5, 10)
    assert (fused.id, fused.boxes.shape, fused.scores.shape) == (3, (0, 4), (0,))


def test_boxes_that_overlap_become_their_weighted_mean():
    fused = fuse_by_wbf([_found((0, 0, 10, 10, 0.8, 1)), _found((2, 0, 10, 10, 0.4, 1))], 0.5, 9)
    assert fused.boxes == pytest.approx(numpy.array([[(0.8 * 0 + 0.4 * 2) / 1.2, 0, 10, 10]]))
    assert fused.scores == pytest.approx([0.6])


def test_a_box_found_by_one_of_three_detectors_counts_a_third():
    fused = fuse_by_wbf([_found((0, 0, 10, 10, 0.9, 1)), _found(), _found()], 0.5, 9)
    assert fused.scores == pytest.approx([0.3])


def test_a_detector_that_does_not_know_the_class_does_not_count():
    results = [_found((0, 0, 10, 10, 0.9, 1), (50, 0, 60, 10, 0.9, 2)), _found(), _found()]
    fused = fuse_by_wbf(results, 0.5, 9, {1: 2})
    assert fused.classes.tolist() == [1, 2]
    assert fused.scores == pytest.approx([0.45, 0.3])


def test_more_boxes_than_detectors_do_not_raise_the_score():
    result = _found((0, 0, 10, 10, 0.9, 1), (0, 0, 10, 9, 0.5, 1), (0, 0, 9, 10, 0.4, 1))
    assert fuse_by_wbf([result], 0.5, 9).scores == pytest.approx([0.6])


def test_classes_are_fused_apart_and_sorted_by_score():
    one = _found((0, 0, 10, 10, 0.5, 2), (0, 0, 10, 10, 0.9, 7))
    fused = fuse_by_wbf([one, one], 0.5, 9)
    assert fused.classes.tolist() == [7, 2]
    assert fused.scores == pytest.approx([0.9, 0.5])
    assert fuse_by_wbf([one, one], 0.5, 1).classes.tolist() == [7]


@pytest.mark.parametrize("seed", range(5))
def test_fusing_a_detector_with_itself_changes_nothing(seed):
    generator = numpy.random.default_rng(seed)
    corners = numpy.arange(8)[:, None] * 100 + generator.uniform(0, 20, (8, 2))
    rows = [
        (*corner, *(corner + 30), score, 1)
        for corner, score in zip(corners, sorted(generator.uniform(0.1, 1, 8))[::-1], strict=True)
    ]
    result = _found(*rows)
    fused = fuse_by_wbf([result, result], 0.5, 99)
    assert fused.boxes == pytest.approx(result.boxes, rel=1e-5)
    assert fused.scores == pytest.approx(result.scores)
