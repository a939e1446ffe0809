"""A batch trained in parts, as when memory runs out."""

import dataclasses
import os
import signal

import pytest
import torch
from torch import nn

from interruptions import Killed, figures, interrupt, kill, outputs
from parkdet.data.training_set import Batch
from parkdet.detector.loss import build_loss
from parkdet.errors import StoppedEarly, UserError
from parkdet.training import loop, validation
from parkdet.training.gradients import Gradients, split
from parkdet.training.run import train
from parkdet.training.setup import build_state, read_job, settle_anchors


def make_batch(images=7):
    """Images with 0, 1, 2, ... boxes of all sizes."""
    generator = torch.Generator().manual_seed(3)
    pictures = torch.randint(0, 256, (images, 64, 64, 3), generator=generator, dtype=torch.uint8)
    rows = []
    for place in range(images):
        boxes = torch.rand(place, 4, generator=generator) * 0.5 + 0.25
        labels = torch.randint(0, 2, (place, 1), generator=generator)
        rows.append(torch.cat((torch.full((place, 1), float(place)), labels, boxes), 1))
    return Batch(pictures.permute(0, 3, 1, 2), torch.cat(rows))


@pytest.fixture
def made(settings):
    """A function that computes a batch's gradients, with batch norms that ignore the batch."""
    job = read_job(settings)
    state = build_state(job)
    settle_anchors(job, state.model)
    norms = [module for module in state.model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    state.model(make_batch().images.float().div_(255))  # so that they normalise well
    for norm in norms:
        norm.eval()
    loss = build_loss(state.model, settings.hyp, settings.imgsz, 2)
    gradients = Gradients(job, state, state.model, loss)

    def made(batch, parts, fresh=True):
        if fresh:
            state.optimizer.zero_grad()
        state.parts = parts
        losses = gradients.add(batch, len(batch.images))[1]
        found = {name: p.grad.clone() for name, p in state.model.named_parameters()}
        return found | {"obj loss": losses[1]}

    made.state = state
    return made


def test_a_batch_is_split_into_parts_with_their_targets():
    batch = make_batch()
    parts = list(split(batch, 3))
    assert [len(part.images) for part in parts] == [3, 2, 2]
    assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
    assert torch.equal(parts[1].targets[:, 0].unique(), torch.tensor([0.0, 1.0]))
    again = torch.cat([part.targets[:, 1:] for part in parts])
    assert torch.equal(again, batch.targets[:, 1:])
    assert batch.targets[-1, 0] == 6  # unchanged


def assert_equal_gradients(found, expected):
    """Equal up to the order of fp32 sums."""
    for name, value in expected.items():
        assert value.norm() > 1e-3, name
        assert (found[name] - value).norm() < 1e-4 * value.norm(), name


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_parts_have_the_gradients_of_the_whole(made, parts):
    assert_equal_gradients(made(make_batch(), parts), made(make_batch(), 1))


def test_waiting_gradients_are_added_to_as_if_accumulated_directly(made, settings):
    first, second = make_batch(7), make_batch(5)
    made(first, 1)
    kept_apart = made(second, 1, fresh=False)
    state = made.state
    state.optimizer.zero_grad()
    loss = build_loss(state.model, settings.hyp, settings.imgsz, 2)
    for batch in (first, second):
        predicted = state.model(batch.images.float().div_(255))
        loss(predicted, batch.targets)[0].backward()
    for name, parameter in state.model.named_parameters():
        assert torch.equal(parameter.grad, kept_apart[name]), name


def run_out_of_memory(monkeypatch, above, place="loss", error=None):
    """Makes batches of more than ``above`` images fail, in the loss or midway through backward."""
    original = loop.build_loss
    failures = []
    error = error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    def fail(*_):
        failures.append(1)
        raise error

    def build(model, *arguments):
        loss = original(model, *arguments)
        if place == "backward":

            def hook(_module, _inputs, output):
                if len(output) > above and output.requires_grad:
                    output.register_hook(fail)

            model.model[5].register_forward_hook(hook)

        class Limited:
            build_targets = loss.build_targets

            def __call__(self, predicted, targets):
                if place == "loss" and len(predicted[0]) > above:
                    fail()
                return loss(predicted, targets)

        return Limited()

    monkeypatch.setattr(loop, "build_loss", build)
    return failures


def count_steps(monkeypatch):
    steps = []
    original = loop.Trainer._step

    def step(trainer):
        steps.append(trainer.state.batch + 100 * trainer.state.epoch)
        return original(trainer)

    monkeypatch.setattr(loop.Trainer, "_step", step)
    return steps


@pytest.mark.parametrize("place", ["loss", "backward"])
def test_it_goes_on_in_smaller_parts_with_the_same_steps(settings, monkeypatch, messages, place):
    settings = dataclasses.replace(settings, epochs=2)
    steps = count_steps(monkeypatch)
    train(settings)
    whole = list(steps)
    steps.clear()
    failures = run_out_of_memory(monkeypatch, above=1, place=place)
    train(dataclasses.replace(settings, retrain=True))
    assert steps == whole
    assert len(failures) == 2  # 4 images, then 2; afterwards never again
    assert "each batch is trained in 2 parts" in messages.text
    assert "each batch is trained in 4 parts" in messages.text


@pytest.mark.parametrize("place", ["loss", "backward"])
def test_waiting_gradients_survive_a_batch_that_fails(made, settings, monkeypatch, place):
    """The batch that fails comes second; its gradients are added once, to those of the first."""
    first, second = make_batch(2), make_batch(6)
    made(first, 1)
    expected = made(second, 1, fresh=False)
    state = made.state
    run_out_of_memory(monkeypatch, above=3, place=place)
    loss = loop.build_loss(state.model, settings.hyp, settings.imgsz, 2)
    gradients = Gradients(read_job(settings), state, state.model, loss)
    state.optimizer.zero_grad()
    state.parts = 1
    gradients.add(first, 2)
    gradients.add(second, 6)
    assert state.parts == 2
    del expected["obj loss"]
    found = {name: parameter.grad for name, parameter in state.model.named_parameters()}
    assert_equal_gradients(found, expected)


def test_the_parts_are_in_the_state(settings, monkeypatch, messages):
    """A resumed training gives the bytes of an uninterrupted one, and does not fail first."""
    settings = dataclasses.replace(settings, epochs=3, val_period=0)
    root = settings.last.parent / "whole"
    whole = dataclasses.replace(
        settings,
        **{name: root / name for name in ("state_dir", "last", "best", "metrics")},
    )
    with monkeypatch.context() as patch:
        run_out_of_memory(patch, above=2)
        train(whole)
    with monkeypatch.context() as patch:
        run_out_of_memory(patch, above=2)
        interrupt(patch, 0, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(StoppedEarly):
            train(settings)
    failures = run_out_of_memory(monkeypatch, above=2)
    with monkeypatch.context() as patch:
        interrupt(patch, 2, 2, kill)
        with pytest.raises(Killed):
            train(settings)
    train(settings)
    assert not failures
    assert "memory ran out before: batches are trained in 2 parts" in messages.text
    assert outputs(settings) == outputs(whole)
    assert figures(settings) == figures(whole)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")],
)
def test_too_little_memory_for_single_images_is_a_clear_error(settings, monkeypatch, error):
    failures = run_out_of_memory(monkeypatch, above=0, error=error)
    with pytest.raises(UserError, match="Memory ran out in training"):
        train(settings)
    assert len(failures) == 3  # 4, 2 and 1 images


def test_other_errors_do_not_count_as_out_of_memory(settings, monkeypatch):
    failures = run_out_of_memory(monkeypatch, above=2, error=RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(settings)
    assert len(failures) == 1


def test_a_validation_starts_over_with_smaller_batches(
    settings, uninterrupted, monkeypatch, messages
):
    original = validation.detect
    sizes = []

    def detect(model, sources, options, device, label):
        sizes.append(options.batch_size)
        for number, image in enumerate(original(model, sources, options, device, label)):
            if number and options.batch_size > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            yield image

    monkeypatch.setattr(validation, "detect", detect)
    train(settings)
    assert sizes == [8, 4, 2, 2]
    assert "starting over with batches of 2" in messages.text
    assert settings.last.read_bytes() == uninterrupted.last.read_bytes()


def test_a_validation_that_never_fits_is_a_clear_error(settings, monkeypatch):
    def detect(*_):
        raise MemoryError

    monkeypatch.setattr(validation, "detect", detect)
    with pytest.raises(UserError, match="val_batch_size"):
        train(settings)
