import dataclasses
import itertools
import os
import signal
from types import SimpleNamespace

import pytest
import torch

from interruptions import Killed, figures, interrupt, kill, outputs, progress, rows
from parkdet.errors import StoppedEarly, UserError
from parkdet.training import loop, run, saver, state, validation
from parkdet.training.fingerprint import environment
from parkdet.training.gradients import Gradients
from parkdet.training.run import train


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_killed_training_goes_on_to_the_same_bytes(settings, uninterrupted, monkeypatch, epoch):
    with monkeypatch.context() as patch:
        interrupt(patch, epoch, 2, kill)
        with pytest.raises(Killed):
            train(settings)
    assert not settings.last.exists()
    train(settings)
    assert outputs(settings) == outputs(uninterrupted)
    assert figures(settings) == figures(uninterrupted)


def test_killed_during_validation(settings, uninterrupted, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(validation, "evaluate", lambda *_: kill())
        with pytest.raises(Killed):
            train(settings)
    train(settings)
    assert outputs(settings) == outputs(uninterrupted)


def test_a_state_is_saved_within_an_epoch_when_the_interval_is_over(
    settings, uninterrupted, monkeypatch
):
    minutes = itertools.count(step=0.3)  # per look at the clock
    monkeypatch.setattr(saver.Saver.__init__, "__defaults__", (lambda: 60 * next(minutes),))
    often = dataclasses.replace(settings, checkpoint_minutes=0.5)
    with monkeypatch.context() as patch:
        interrupt(patch, 1, 3, kill)
        with pytest.raises(Killed):
            train(often)
    assert progress(settings) == ["epoch-000001-batch-000000", "epoch-000001-batch-000002"]
    train(often)
    assert outputs(settings) == outputs(uninterrupted)
    assert figures(settings) == figures(uninterrupted)


@pytest.mark.parametrize(("minutes", "expected"), [(0, 0), (0.01, 2)])
def test_an_interval_of_0_saves_at_the_ends_of_epochs_only(
    settings, monkeypatch, minutes, expected
):
    hours = itertools.count(step=3600)
    monkeypatch.setattr(saver.Saver.__init__, "__defaults__", (lambda: next(hours),))
    interrupt(monkeypatch, 1, 3, kill)
    with pytest.raises(Killed):
        train(dataclasses.replace(settings, checkpoint_minutes=minutes))
    assert sum(name > "epoch-000001-batch-000000" for name in progress(settings)) == expected


@pytest.mark.parametrize(("batch_size", "precision"), [(2, "bf16"), (4, "fp32")])
def test_each_batch_can_be_the_last_of_an_attempt(settings, monkeypatch, batch_size, precision):
    """Also with gradients waiting for their step, and between an epoch and its validation."""
    settings = dataclasses.replace(
        settings, epochs=2, batch_size=batch_size, precision=precision, val_period=1
    )
    whole = dataclasses.replace(
        settings, state_dir=settings.state_dir / "whole", last=settings.last.with_name("whole.pt")
    )
    train(whole)
    stopped = 0
    interrupt_each_batch(monkeypatch)
    for _ in range(100):
        try:
            train(settings)
            break
        except StoppedEarly:
            stopped += 1
    assert stopped == 2 * -(-9 // batch_size)
    assert whole.last.read_bytes() == settings.last.read_bytes()


def interrupt_each_batch(monkeypatch):
    original = loop.Trainer._train_on

    def train_on(trainer, images):
        original(trainer, images)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop.Trainer, "_train_on", train_on)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_signal_in_the_validation_keeps_the_epoch(settings, uninterrupted, monkeypatch, workers):
    settings = dataclasses.replace(settings, workers=workers)
    with monkeypatch.context() as patch:
        original = validation.detect

        def interrupted(*arguments):
            os.kill(os.getpid(), signal.SIGUSR1)
            return original(*arguments)

        patch.setattr(validation, "detect", interrupted)
        with pytest.raises(StoppedEarly, match=r"SIGUSR1: the validation was interrupted.*000003"):
            train(settings)
    assert progress(settings)[-1] == "epoch-000001-batch-000003"
    with monkeypatch.context() as patch:
        epochs = []
        original = loop.Trainer._train_on
        patch.setattr(
            loop.Trainer,
            "_train_on",
            lambda trainer, batch: (epochs.append(trainer.state.epoch), original(trainer, batch)),
        )
        train(settings)
    assert epochs == [2, 2, 2, 3, 3, 3]
    assert outputs(settings) == outputs(uninterrupted)


def test_more_signals_while_the_state_is_saved_do_no_harm(settings, uninterrupted, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt(patch, 1, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
        original = torch.save

        def save(*arguments):
            os.kill(os.getpid(), signal.SIGINT)
            original(*arguments)
            os.kill(os.getpid(), signal.SIGTERM)

        patch.setattr(torch, "save", save)
        with pytest.raises(StoppedEarly):
            train(settings)
    assert progress(settings)[-1] == "epoch-000001-batch-000001"
    train(settings)
    assert outputs(settings) == outputs(uninterrupted)


def test_a_loss_that_is_not_finite_is_never_saved(settings, monkeypatch):
    original = loop.Trainer._train_on

    def train_on(trainer, batch):
        original(trainer, batch)
        if trainer.state.epoch == 1:
            trainer._unchecked = (torch.tensor(False), [])
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop.Trainer, "_train_on", train_on)
    with pytest.raises(UserError, match="not finite in epoch 2"):
        train(settings)
    assert progress(settings) == ["epoch-000001-batch-000000"]


def test_a_last_step_of_gradients_that_are_not_finite_writes_no_weights(settings, monkeypatch):
    original = Gradients.add

    def add(gradients, batch, own):
        found = original(gradients, batch, own)
        if gradients._state.epoch == 3:
            next(gradients._state.model.parameters()).grad.fill_(float("inf"))
        return found

    monkeypatch.setattr(Gradients, "add", add)
    with pytest.raises(UserError, match="gradient is not finite in epoch 4"):
        train(settings)
    assert not settings.last.exists()
    assert progress(settings)[-1] == "epoch-000003-batch-000000"


def test_seconds_add_up_over_attempts(settings, monkeypatch):
    seconds = itertools.count(start=7, step=10)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    with monkeypatch.context() as patch:
        interrupt(patch, 1, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(StoppedEarly):
            train(settings)
    train(settings)
    # three batches an epoch and what comes after them, 10 s each
    assert [float(row["seconds"]) for row in rows(settings)] == [40, 40, 40, 40]
    assert [float(row["images_per_s"]) for row in rows(settings)] == [9 / 30] * 4


def test_a_state_that_does_not_fit_is_a_clear_error(settings, monkeypatch):
    short = dataclasses.replace(settings, epochs=2)
    with monkeypatch.context() as patch:
        interrupt(patch, 1, 1, kill)
        with pytest.raises(Killed):
            train(short)
    original = state.TrainingState.load_state_dict

    def load(self, saved):
        del saved["average"]["model.0.conv.weight"]
        original(self, saved)

    monkeypatch.setattr(state.TrainingState, "load_state_dict", load)
    with pytest.raises(UserError, match=r"does not fit this version.*model\.0\.conv\.weight"):
        train(short)


def test_a_damaged_state_costs_an_epoch_but_not_the_result(settings, uninterrupted, messages):
    train(settings)
    newest = max(settings.state_dir.glob("*/epoch-*.pt"))
    os.truncate(newest, newest.stat().st_size // 2)
    train(settings)
    assert "is damaged" in messages.text
    assert "resuming after epoch 3" in messages.text
    assert outputs(settings) == outputs(uninterrupted)


def test_without_an_intact_state_training_starts_anew_and_ends_the_same(
    settings, uninterrupted, messages
):
    train(settings)
    for path in settings.state_dir.glob("*/epoch-*.pt"):
        path.write_bytes(path.read_bytes()[:-1])
    train(settings)
    assert messages.text.count("is damaged") == 2
    assert "the training starts anew" in messages.text
    assert outputs(settings) == outputs(uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_stops_with_75_and_loses_no_batch(
    settings, uninterrupted, monkeypatch, messages, number
):
    said = f"{number.name}: stopped after batch 1 of 3 in epoch 2 of 4; .*epoch-000001-batch-000001"
    with monkeypatch.context() as patch:
        interrupt(patch, 1, 1, lambda: os.kill(os.getpid(), number))
        with pytest.raises(StoppedEarly, match=said) as stopped:
            train(settings)
    assert stopped.value.exit_code == 75
    train(settings)
    assert "resuming after epoch 1 and batch 1 of the next" in messages.text
    assert outputs(settings) == outputs(uninterrupted)


def test_a_change_of_the_arithmetic_is_warned_about(settings, monkeypatch, messages):
    with monkeypatch.context() as patch:
        interrupt(patch, 3, 1, kill)
        with pytest.raises(Killed):
            train(settings)
    monkeypatch.setattr(run, "environment", lambda device: {**environment(device), "threads": 2})
    train(dataclasses.replace(settings, deterministic=False))
    said = "not bit-identical: deterministic was True, is False; threads was 1, is 2"
    assert said in messages.text
