import copy
import dataclasses

import numpy as np
import pytest
import torch

from parkdet.hyperparameters import Hyperparameters
from parkdet.training import schedule
from parkdet.training.lock import StateLock
from parkdet.training.loop import Trainer
from parkdet.training.saver import Saver
from parkdet.training.setup import build_state, read_job, settle_anchors
from parkdet.training.signals import StopRequest
from parkdet.training.store import StateStore

EPOCHS = 3
LEAST_WARMUP = 6  # batches instead of 100, so that the warm-up ends within an epoch


def train_as_yolov5(model, batches, settings, group=0):
    """The course of yolov5 7.0.14's training, with its own optimizer, average and loss.

    Args:
        batches: those of each epoch: images in 0 to 1, and targets.
        group: which parameter group starts at warmup_bias_lr.

    Returns:
        The average's weights, the model's, and the iterations after which it stepped.
    """
    from yolov5.utils.loss import ComputeLoss
    from yolov5.utils.torch_utils import ModelEMA, smart_optimizer

    hyp, size, nominal = settings.hyp.model_dump(), settings.batch_size, settings.nominal_batch
    accumulate = max(round(nominal / size), 1)
    decay = hyp["weight_decay"] * size * accumulate / nominal
    optimizer = smart_optimizer(model, "SGD", hyp["lr0"], hyp["momentum"], decay)
    share = lambda epoch: (1 - epoch / EPOCHS) * (1 - hyp["lrf"]) + hyp["lrf"]  # noqa: E731
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    average = ModelEMA(model)
    model.half().float()
    model.hyp = hyp | {
        "cls": hyp["cls"] * 2 / 80,
        "obj": hyp["obj"] * (settings.imgsz / 640) ** 2,
        "label_smoothing": 0.0,
    }
    loss_of, last_step, steps = ComputeLoss(model), -1, []
    count = len(batches[0])
    warmup = [0, max(round(hyp["warmup_epochs"] * count), LEAST_WARMUP)]
    model.train()
    for epoch in range(EPOCHS):
        optimizer.zero_grad()
        for place, (images, targets) in enumerate(batches[epoch]):
            iteration = place + count * epoch
            if iteration <= warmup[1]:
                accumulate = max(1, np.interp(iteration, warmup, [1, nominal / size]).round())
                for number, x in enumerate(optimizer.param_groups):
                    start = hyp["warmup_bias_lr"] if number == group else 0.0
                    end = x["initial_lr"] * share(epoch)
                    x["lr"] = np.interp(iteration, warmup, [start, end])
                    ends = [hyp["warmup_momentum"], hyp["momentum"]]
                    x["momentum"] = np.interp(iteration, warmup, ends)
            loss_of(model(images), targets)[0].backward()
            if iteration - last_step >= accumulate:
                if settings.clip_grad_norm:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_grad_norm)
                optimizer.step()
                optimizer.zero_grad()
                average.update(model)
                last_step = iteration
                steps.append(iteration)
        scheduler.step()
    return average.ema.state_dict(), model.state_dict(), steps


def epochs_of(trainer):
    """The batches that a trainer will see, as yolov5's loop takes them."""
    epochs = []
    for epoch in range(EPOCHS):
        trainer._batches.start_at(epoch)
        epochs.append([(b.images.float() / 255, b.targets) for b in trainer._loader])
    return epochs


@pytest.mark.parametrize(
    ("changes", "group"),
    [
        ({}, 0),
        ({"clip_grad_norm": None, "warmup_bias_group": "norm"}, 2),
        ({"batch_size": 1}, 0),
        ({"nominal_batch": 64}, 0),
    ],
    ids=["7.0.14", "2022", "one image", "partial sums"],
)
def test_weights_equal_those_of_yolov5s_course(settings, changes, group, monkeypatch, tmp_path):
    """Across the end of the warm-up, growing accumulation and epoch ends it does not divide."""
    monkeypatch.setattr(schedule, "LEAST_WARMUP", LEAST_WARMUP)
    hyp = Hyperparameters(lr0=0.02, lrf=0.1, warmup_bias_lr=0.05, warmup_epochs=0.1)
    changes = {"epochs": EPOCHS, "hyp": hyp, "batch_size": 2, "nominal_batch": 8} | changes
    settings = dataclasses.replace(settings, **changes)
    job = read_job(settings)
    state = build_state(job)
    original = copy.deepcopy(state.model)
    settle_anchors(job, state.model)
    never = Saver(StateStore(tmp_path), StateLock(tmp_path), {}, minutes=0)
    trainer = Trainer(job, state, StopRequest(), never)
    trainer._validator = None
    batches = epochs_of(trainer)
    assert LEAST_WARMUP % len(batches[0]) and 2 * len(batches[0]) > LEAST_WARMUP
    average, model, steps = train_as_yolov5(original, batches, settings, group)
    while state.epoch < EPOCHS:
        trainer.run_epoch()
    assert state.last_step == steps[-1]
    assert state.average.updates == len(steps)
    for ours, theirs in ((state.average.model, average), (state.model, model)):
        for name, value in ours.state_dict().items():
            torch.testing.assert_close(value, theirs[name], rtol=1e-4, atol=1e-5, msg=name)
