import copy

import pytest
import torch

from parkdet.detector import fast
from parkdet.detector.build import build_model
from parkdet.detector.fast import FastDetector
from parkdet.detector.norm_silu import fuse_norm_silu

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model():
    """With statistics as after some training, so that leaving a layer out shows."""
    model = build_model("yolov5n", 3, seed=1)
    with torch.no_grad():
        for _ in range(2):
            model(images(4))
    return model.eval().requires_grad_(False)


def images(count=2):
    return torch.rand(count, 3, 64, 96, generator=torch.Generator().manual_seed(count))


def in_a_gap(values):
    """A number in the widest gap of the middle half, so that rounding moves no value across it."""
    values = values.flatten().sort().values
    middle = values[len(values) // 4 : 3 * len(values) // 4]
    widest = middle.diff().argmax()
    return float(middle[widest : widest + 2].mean())


def test_all_cells_equal_yolov5s_prediction(model):
    expected = model(images())[0]
    found = torch.stack(FastDetector(model, "fp32", CPU)(images(), 0.0))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


def test_candidates_are_the_cells_above_the_confidence(model):
    expected = model(images())[0]
    confidence = in_a_gap(expected[..., 4])
    found = FastDetector(model, "fp32", CPU)(images(), confidence)
    for ours, stock in zip(found, expected, strict=True):
        stock = stock[stock[:, 4] > confidence]
        assert 0 < len(stock) < len(expected[0])
        torch.testing.assert_close(ours, stock, rtol=1e-4, atol=1e-3)


def test_none_above_the_confidence_is_an_empty_tensor(model):
    assert [found.shape for found in FastDetector(model, "fp32", CPU)(images(), 1.0)] == [
        (0, 8)
    ] * 2


def test_only_the_requested_layers(model):
    detector = FastDetector(model, "fp32", CPU)
    every = detector(images(1), 0.0)[0]
    cells = [3 * (64 // stride) * (96 // stride) for stride in (8, 16, 32)]
    assert torch.equal(detector(images(1), 0.0, slice(1, None))[0], every[cells[0] :])
    assert torch.equal(detector(images(1), 0.0, slice(None, -1))[0], every[: -cells[-1]])


@pytest.mark.parametrize(("precision", "most"), [("bf16", 0.02), ("fp16", 0.004)])
def test_lower_precision_is_near(model, precision, most):
    expected = model(images())[0]
    found = torch.stack(FastDetector(model, precision, CPU)(images(), 0.0))
    assert found.dtype == torch.float32
    assert 0 < (found[..., 4:] - expected[..., 4:]).abs().max() < most


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_without_the_fused_operation_it_computes_the_same(model, monkeypatch, precision):
    fused = FastDetector(model, precision, CPU)(images(), 0.0)
    monkeypatch.setitem(fast.FUSABLE, precision, lambda: False)
    plain = FastDetector(model, precision, CPU)(images(), 0.0)
    tolerance = {"fp32": 1e-5, "bf16": 0.02}[precision]
    for one, other in zip(fused, plain, strict=True):
        torch.testing.assert_close(one[:, 4:], other[:, 4:], rtol=0, atol=tolerance)


def test_a_model_in_training_can_be_copied_and_stays_as_it_is(model):
    trained = copy.deepcopy(model).train()
    trained.model[:-1].to(memory_format=torch.channels_last)
    fuse_norm_silu(trained)
    before = copy.deepcopy(trained.state_dict())
    found = FastDetector(trained, "fp32", CPU)(images(), 0.0)
    assert trained.training
    torch.testing.assert_close(torch.stack(found), model(images())[0], rtol=1e-4, atol=1e-3)
    for name, value in trained.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_weights_in_the_order_of_one_shape_give_the_same_bits_for_another(model):
    for precision in ("fp32", "bf16"):
        wide = torch.rand(1, 3, 160, 320)
        fresh, used = (FastDetector(model, precision, CPU) for _ in range(2))
        used(images(1), 0.0)
        assert torch.equal(fresh(wide, 0.0)[0], used(wide, 0.0)[0])
