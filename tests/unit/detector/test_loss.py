import pytest
import torch

from parkdet.detector.build import build_model
from parkdet.detector.loss import build_loss, scaled_gains
from parkdet.hyperparameters import Hyperparameters

TARGETS = torch.tensor([[0, 1, 0.5, 0.5, 0.4, 0.3], [1, 0, 0.3, 0.6, 0.2, 0.2]])


def _loss(**changes):
    model = build_model("yolov5n", 14, seed=0).train()
    hyp = Hyperparameters(**changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        images = torch.rand(2, 3, 64, 64)
    return build_loss(model, hyp, 640, 14)(model(images), TARGETS)


def test_gains_scale_with_layers_classes_and_size():
    hyp = Hyperparameters(box=0.05, cls=0.5, obj=1.0)
    assert scaled_gains(hyp, 640, 80, 3) == {"box": 0.05, "cls": 0.5, "obj": 1.0}
    gains = scaled_gains(hyp, 1280, 14, 4)
    assert gains == pytest.approx({"box": 0.0375, "cls": 0.5 * 14 / 80 * 0.75, "obj": 3.0})


def test_loss_is_the_sum_of_its_parts_times_the_batch():
    total, parts = _loss()
    assert parts.shape == (3,)
    assert (parts > 0).all()
    assert total.item() == pytest.approx(2 * parts.sum().item(), rel=1e-5)
    assert total.requires_grad and not parts.requires_grad


def test_gains_multiply_their_parts():
    parts, doubled = _loss()[1], _loss(box=0.1, cls=1.0, obj=2.0)[1]
    torch.testing.assert_close(doubled, 2 * parts)


@pytest.mark.parametrize(("change", "part"), [({"label_smoothing": 0.1}, 2), ({"obj_pw": 0.5}, 1)])
def test_hyperparameters_reach_the_loss(change, part):
    plain, changed = _loss()[1], _loss(**change)[1]
    assert plain[part] != changed[part]
