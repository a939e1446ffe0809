import pytest
import torch

from parkdet.detector.build import build_model
from parkdet.hyperparameters import Hyperparameters
from parkdet.training.optimizer import batches_a_step, build_optimizer, freeze, parameter_groups

HYP = Hyperparameters(weight_decay=0.001)


@pytest.fixture(scope="module")
def model():
    return build_model("yolov5n", 3)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_groups_equal_yolov5(model, name):
    from yolov5.utils.torch_utils import smart_optimizer

    ours = build_optimizer(model, name, HYP, batch_size=24, nominal_batch=64)
    decay = 0.001 * 24 * 3 / 64
    theirs = smart_optimizer(model, name, HYP.lr0, HYP.momentum, decay)
    assert type(ours) is type(theirs)
    for mine, other in zip(ours.param_groups, theirs.param_groups, strict=True):
        assert [id(p) for p in mine["params"]] == [id(p) for p in other["params"]]
        assert mine["lr"] == other["lr"]
        assert mine["weight_decay"] == pytest.approx(other["weight_decay"])
        assert mine.get("momentum") == other.get("momentum")
        assert mine.get("betas") == other.get("betas")


def test_every_parameter_is_in_one_group(model):
    groups = parameter_groups(model)
    grouped = [id(p) for parameters in groups.values() for p in parameters]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    assert all(p.ndim == 1 for p in groups["bias"] + groups["norm"])


def test_weight_decay_is_for_the_nominal_batch(model):
    decays = [
        build_optimizer(model, "SGD", HYP, size, 64).param_groups[1]["weight_decay"]
        for size in (2, 16, 64, 128)
    ]
    assert decays == pytest.approx([0.001, 0.001, 0.001, 0.002])


def test_batches_a_step():
    assert [batches_a_step(size, 64) for size in (2, 16, 24, 64, 100)] == [32, 4, 3, 1, 1]


def test_frozen_layers_do_not_learn():
    model = build_model("yolov5n", 3)
    freeze(model, 10)
    learning = {int(name.split(".")[1]) for name, p in model.named_parameters() if p.requires_grad}
    assert min(learning) == 10
    before = model.model[0].conv.weight.clone()
    optimizer = build_optimizer(model, "SGD", HYP, 16, 64)
    model.train()
    sum(output.sum() for output in model(torch.rand(1, 3, 64, 64))).backward()
    optimizer.step()
    assert torch.equal(model.model[0].conv.weight, before)
