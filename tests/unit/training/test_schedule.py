import math

import numpy as np
import pytest
import torch

from parkdet.hyperparameters import Hyperparameters
from parkdet.training.optimizer import build_optimizer
from parkdet.training.schedule import Schedule

HYP = Hyperparameters(lr0=0.02, lrf=0.1, momentum=0.9, warmup_momentum=0.5, warmup_bias_lr=0.3)


def schedule(**changes):
    values = {
        "hyp": HYP,
        "epochs": 8,
        "batches": 50,
        "batch_size": 16,
        "nominal_batch": 64,
        "shape": "linear",
        "bias_group": "bias",
    }
    return Schedule(**(values | changes))


def small_model():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))


def test_warmup_lasts_its_epochs_but_at_least_100_iterations():
    assert schedule().warmup == 150
    assert schedule(batches=10).warmup == 100
    assert schedule(batches=10, hyp=HYP.model_copy(update={"warmup_epochs": 0})).warmup == 100


def test_at_the_start_only_the_bias_group_learns():
    start = schedule()
    assert [start.rate(group, 0, 0) for group in ("bias", "decay", "norm")] == [0.3, 0, 0]


def test_the_2022_quirk_warms_the_norm_group():
    start = schedule(bias_group="norm")
    assert [start.rate(group, 0, 0) for group in ("bias", "decay", "norm")] == [0, 0, 0.3]


def test_linear_ends_one_epoch_before_lrf():
    linear = schedule()
    assert linear.factor(0) == 1
    assert linear.factor(8) == pytest.approx(0.1)
    assert linear.factor(4) == pytest.approx(0.55)


def test_cosine_is_flat_at_both_ends():
    cosine = schedule(shape="cosine")
    assert cosine.factor(0) == 1
    assert cosine.factor(8) == pytest.approx(0.1)
    assert cosine.factor(4) == pytest.approx(0.55)
    assert cosine.factor(1) > schedule().factor(1)


@pytest.mark.parametrize("batch_size", [2, 16, 24, 64, 100])
def test_accumulation_grows_from_one_to_the_nominal_batch(batch_size):
    steps = schedule(batch_size=batch_size)
    counts = [steps.accumulation(iteration) for iteration in range(200)]
    assert counts[0] == 1
    assert counts == sorted(counts)
    assert counts[-1] == counts[150] == max(round(64 / batch_size), 1)


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_rates_and_momentum_equal_yolov5_with_lambdalr(shape):
    """yolov5 sets rates by LambdaLR at epoch ends and overwrites them while it warms up."""
    ours = schedule(shape=shape)
    optimizer = build_optimizer(small_model(), "SGD", HYP, 16, 64)
    reference = build_optimizer(small_model(), "SGD", HYP, 16, 64)
    if shape == "linear":
        lambdas = lambda x: (1 - x / 8) * (1.0 - 0.1) + 0.1  # noqa: E731
    else:
        lambdas = lambda x: ((1 - math.cos(x * math.pi / 8)) / 2) * (0.1 - 1) + 1  # noqa: E731
    scheduler = torch.optim.lr_scheduler.LambdaLR(reference, lambdas)
    for epoch in range(8):
        for batch in range(50):
            iteration = batch + 50 * epoch
            if iteration <= 150:
                for place, group in enumerate(reference.param_groups):
                    start = 0.3 if place == 0 else 0.0
                    end = group["initial_lr"] * lambdas(epoch)
                    group["lr"] = np.interp(iteration, [0, 150], [start, end])
                    group["momentum"] = np.interp(iteration, [0, 150], [0.5, 0.9])
            ours.apply(optimizer, iteration, epoch)
            for mine, theirs in zip(optimizer.param_groups, reference.param_groups, strict=True):
                assert mine["lr"] == theirs["lr"]
                assert mine["momentum"] == theirs["momentum"]
        reference.step()
        scheduler.step()
