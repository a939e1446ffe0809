import numpy
import pytest

from parkdet.inference.fuse import fuse_by_nms
from parkdet.inference.predict import ImageDetections


def _found(*rows):
    boxes = numpy.array([row[:4] for row in rows], dtype=numpy.float32).reshape(-1, 4)
    scores = numpy.array([row[4] for row in rows], dtype=numpy.float32)
    classes = numpy.array([row[5] for row in rows], dtype=numpy.int64)
    return ImageDetections(3, boxes, scores, classes)


def test_the_best_of_overlapping_boxes_of_a_class_stays():
    one = _found((0, 0, 10, 10, 0.6, 1), (50, 50, 60, 60, 0.5, 1))
    two = _found((1, 0, 10, 10, 0.8, 1), (0, 0, 10, 10, 0.7, 2))
    fused = fuse_by_nms([one, two], 0.5, 10)
    assert fused.id == 3
    assert fused.scores == pytest.approx([0.8, 0.7, 0.5])
    assert fused.classes.tolist() == [1, 2, 1]


def test_only_the_best_stay():
    one = _found((0, 0, 10, 10, 0.6, 1), (50, 50, 60, 60, 0.5, 1))
    assert fuse_by_nms([one, _found()], 0.5, 1).scores == pytest.approx([0.6])


def test_nothing_found_by_any():
    fused = fuse_by_nms([_found(), _found()], 0.5, 10)
    assert (fused.boxes.shape, fused.scores.shape) == ((0, 4), (0,))
