import numpy
import pytest
import torch

from parkdet.detector import anchors
from parkdet.detector.build import build_model


def _labels(width, height, images=40, boxes=5):
    generator = numpy.random.default_rng(0)
    sides = generator.normal([width, height], [width / 5, height / 5], (images, boxes, 2))
    centres = numpy.full((images, boxes, 2), 0.5)
    return list(numpy.concatenate([numpy.zeros((images, boxes, 1)), centres, abs(sides)], 2))


SHAPES = numpy.tile([640, 480], (40, 1))


def test_recall_counts_boxes_within_the_ratio():
    sides = torch.tensor([[10.0, 10.0], [39.0, 10.0], [41.0, 10.0]])
    found = anchors.best_possible_recall(torch.tensor([[10.0, 10.0]]), sides, 4.0)
    assert found == pytest.approx(2 / 3)


def test_good_anchors_stay():
    model = build_model("yolov5n", 2)
    before = model.model[-1].anchors.clone()
    assert anchors.fit_anchors(model, SHAPES, _labels(0.1, 0.1), 4.0, 640) > 0.98
    assert torch.equal(before, model.model[-1].anchors)


def test_poor_anchors_are_fitted_repeatably(monkeypatch):
    monkeypatch.setattr(anchors, "GENERATIONS", 30)
    found = []
    for _ in range(2):
        model = build_model("yolov5n", 2)
        recall = anchors.fit_anchors(model, SHAPES, _labels(0.9, 0.02), 3.0, 640, seed=1)
        found.append(model.model[-1].anchors.clone())
    assert recall > 0.9
    assert torch.equal(*found)
    head = model.model[-1]
    areas = (head.anchors * head.stride.view(-1, 1, 1)).prod(2).mean(1)
    assert (areas.diff() > 0).all()


def test_no_boxes_no_change():
    empty = [numpy.zeros((0, 5))] * 40
    assert anchors.fit_anchors(build_model("yolov5n", 2), SHAPES, empty, 4.0, 640) == 1.0


def test_requested_number_of_anchors_per_layer(monkeypatch):
    monkeypatch.setattr(anchors, "GENERATIONS", 10)
    model = build_model("yolov5n", 2, anchors_per_layer=4)
    anchors.fit_anchors(model, SHAPES, _labels(0.1, 0.1), 4.0, 640)
    assert model.model[-1].anchors.shape == (3, 4, 2)
