import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from yolov5.utils import general

from parkdet.detector.suppression import non_max_suppression


def _predictions(seed, images=2, candidates=200, classes=5):
    generator = torch.Generator().manual_seed(seed)
    found = torch.rand(images, candidates, 5 + classes, generator=generator)
    found[..., :2] *= 300
    found[..., 2:4] = found[..., 2:4] * 80 + 1
    return found


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    candidates=st.integers(0, 300),
    classes=st.integers(1, 6),
    confidence=st.sampled_from([0.001, 0.3, 0.7, 0.999]),
    iou=st.sampled_from([0.1, 0.45, 0.7]),
    most=st.sampled_from([1, 20, 300]),
    multi_label=st.booleans(),
    data=st.data(),
)
def test_equals_yolov5(seed, candidates, classes, confidence, iou, most, multi_label, data):
    chosen = data.draw(st.none() | st.lists(st.integers(0, classes - 1), min_size=1, unique=True))
    predictions = _predictions(seed, 2, candidates, classes)
    expected = general.non_max_suppression(
        predictions.clone(), confidence, iou, chosen, multi_label=multi_label, max_det=most
    )
    found = non_max_suppression(
        predictions, confidence, iou, most, multi_label=multi_label, classes=chosen
    )
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert torch.equal(ours, theirs)


def test_clock_does_not_cut_it_short(monkeypatch):
    predictions = _predictions(1, images=4)
    ticks = iter(range(0, 10**6, 100))
    monkeypatch.setattr(general.time, "time", lambda: next(ticks))
    stock = general.non_max_suppression(predictions.clone(), 0.1, 0.5, multi_label=True)
    ours = non_max_suppression(predictions, 0.1, 0.5, 300)
    assert [len(found) for found in stock].count(0) == 3
    assert [len(found) for found in ours].count(0) == 0


def test_input_is_not_changed():
    predictions = _predictions(2)
    before = predictions.clone()
    non_max_suppression(predictions, 0.1, 0.5, 300)
    assert torch.equal(predictions, before)


def test_boxes_of_two_classes_do_not_suppress_each_other():
    box = [50.0, 50, 20, 20, 1.0]
    predictions = torch.tensor([[[*box, 0.9, 0.0], [*box, 0.0, 0.8], [*box, 0.7, 0.0]]])
    (found,) = non_max_suppression(predictions, 0.1, 0.5, 300)
    assert found[:, 4].tolist() == pytest.approx([0.9, 0.8])
    assert found[:, 5].tolist() == [0, 1]


def test_max_candidates_keeps_the_best():
    predictions = _predictions(3, images=1)
    (few,) = non_max_suppression(predictions, 0.1, 1.0, 300, max_candidates=7)
    (many,) = non_max_suppression(predictions, 0.1, 1.0, 300)
    assert torch.equal(few, many[:7])
