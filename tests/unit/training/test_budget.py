import dataclasses
import os
import signal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interruptions import Killed, figures, interrupt, kill, outputs, progress, rows
from parkdet.errors import StoppedEarly
from parkdet.hyperparameters import Hyperparameters
from parkdet.training import loop, saver
from parkdet.training.budget import TimeBudget
from parkdet.training.run import train

PICTURES = 100


def course(budget_seconds, planned, epoch_seconds, validation_seconds=0.0, val_period=1):
    """A training reduced to its times; returns its final state."""
    state = SimpleNamespace(epochs=planned, decided_after=0, epoch=0, seconds=0.0, history=[])
    state.decisions = []
    val_images = 20 if validation_seconds else 0
    budget = TimeBudget(budget_seconds / 3600, val_period, PICTURES, val_images)
    while state.epoch < state.epochs:
        before = state.seconds
        state.seconds += epoch_seconds(state.epoch + 1)
        trained = state.seconds - before
        decided = budget.decide(state)
        if decided is not None:
            state.epochs, state.decided_after = decided, state.epoch + 1
            state.decisions.append((state.decided_after, decided))
        row = {"images_per_s": PICTURES / trained}
        done = state.epoch + 1
        if done == state.epochs or (val_period and done % val_period == 0):
            state.seconds += validation_seconds
            row["fitness"] = 0.5
        row["seconds"] = state.seconds - before
        state.history.append(row)
        state.epoch = done
    return state


def test_the_first_epoch_fills_the_cache_and_does_not_decide():
    state = course(100, 50, lambda epoch: 20 if epoch == 1 else 7)
    assert state.decisions == [(2, 12)]  # 20 + 11 x 7 = 97
    assert state.seconds == 97


def test_if_few_epochs_fit_the_first_decides():
    assert course(100, 50, lambda _: 45).decisions == [(1, 2)]
    assert course(100, 50, lambda _: 60).decisions == [(1, 1)]


def test_validations_count():
    state = course(100, 50, lambda _: 5, validation_seconds=5, val_period=2)
    assert state.seconds == 90  # 12 epochs and 6 validations; 13 have 7, so 100 s
    state = course(100, 50, lambda _: 4, validation_seconds=0.4, val_period=0)
    assert state.seconds == 96.4  # a validation that has not been measured is guessed


def test_a_machine_that_gets_slower_shortens_again():
    state = course(100, 50, lambda epoch: 4 if epoch < 10 else 6)
    assert state.decisions[0] == (2, 24)
    assert len(state.decisions) == 2
    assert 90 < state.seconds <= 100


def test_a_machine_that_gets_faster_does_not_lengthen():
    state = course(100, 50, lambda epoch: 4 if epoch < 10 else 1)
    assert state.decisions == [(2, 24)]


def test_one_slow_epoch_does_not_set_the_pace():
    state = course(100, 50, lambda epoch: 4.5 if epoch == 10 else 4)
    assert state.decisions == [(2, 24)]


@given(
    planned=st.integers(1, 60),
    epoch=st.floats(0.5, 20),
    fill=st.floats(0, 5),
    share=st.floats(0, 0.1),
    period=st.integers(0, 4),
)
def test_it_ends_within_the_budget(planned, epoch, fill, share, period):
    validation = share * epoch
    budget = 2 * (3 * epoch + fill + 3 * validation)
    state = course(budget, planned, lambda number: epoch + fill * (number == 1), validation, period)
    assert state.seconds <= budget
    assert state.epochs <= planned


@given(planned=st.integers(1, 60), epoch=st.floats(0.5, 20), share=st.floats(0.01, 0.9))
def test_as_many_epochs_as_fit(planned, epoch, share):
    budget = epoch / share
    fitting = min(planned, max(1, int(0.97 * budget / epoch + 1e-9)))
    assert course(budget, planned, lambda _: epoch).epochs == fitting


class Clock:
    """A clock that advances only at batches."""

    def __init__(self, monkeypatch, seconds=10.0):
        self.now, self.seconds = 0.0, seconds
        monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: self.now))
        original = loop.Trainer._train_on

        def train_on(trainer, batch):
            original(trainer, batch)
            self.now += self.seconds

        monkeypatch.setattr(loop.Trainer, "_train_on", train_on)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def tight(settings):
    """20 epochs of 30 s; with guessed validations 6 of them fit into 230 s."""
    hyp = Hyperparameters(lr0=0.01, lrf=0.1, warmup_bias_lr=0.01, warmup_epochs=0.0)
    return dataclasses.replace(settings, hyp=hyp, epochs=20, time_budget=230 / 3600, val_period=2)


def elsewhere(settings, name):
    root = settings.last.parent / name
    places = {place: root / f"{place}.pt" for place in ("last", "best")}
    return dataclasses.replace(
        settings, **places, state_dir=root / "state", metrics=root / "metrics.csv"
    )


def test_the_schedule_ends_within_the_budget(tight, clock, messages, monkeypatch):
    monkeypatch.setattr("parkdet.training.schedule.LEAST_WARMUP", 3)
    train(tight)
    table = rows(tight)
    assert len(table) == 6
    assert sum(float(row["seconds"]) for row in table) == 180
    rates = [float(row["lr_decay"]) for row in table]
    assert rates[1] == pytest.approx(0.01 * (0.9 * 19 / 20 + 0.1))  # as planned, until decided
    assert rates[2] == pytest.approx(0.01 * (0.9 * 4 / 6 + 0.1))
    assert rates[-1] == pytest.approx(0.01 * (0.9 * 1 / 6 + 0.1))  # as in 6 planned epochs
    assert table[-1]["ap"]
    assert "6 of 20 epochs fit into the time budget of 4 min: 60 s used so far" in messages.text
    train(tight)
    assert "already trained" in messages.text


def test_mosaics_close_before_the_new_end(tight, clock, monkeypatch):
    seen = {}
    original = loop.Trainer._train_on

    def train_on(trainer, batch):
        recipe = trainer._dataset.recipe
        seen[trainer.state.epoch] = trainer.state.epoch < recipe.mosaic_epochs
        original(trainer, batch)

    monkeypatch.setattr(loop.Trainer, "_train_on", train_on)
    train(dataclasses.replace(tight, close_mosaic=2))
    assert [seen[epoch] for epoch in range(6)] == [True] * 4 + [False] * 2


@pytest.mark.parametrize("workers", [0, 1])
def test_loader_workers_learn_of_the_new_end(tight, clock, workers):
    """The weights show when mosaics closed, and must not depend on the number of workers."""
    closing = dataclasses.replace(tight, close_mosaic=4, workers=workers)
    train(closing)
    other = elsewhere(dataclasses.replace(closing, workers=1 - workers), "other")
    train(other)
    assert outputs(closing) == outputs(other)


def test_a_budget_larger_than_needed_changes_nothing(settings, uninterrupted, clock, messages):
    train(dataclasses.replace(settings, time_budget=1.0))
    assert outputs(settings) == outputs(uninterrupted)
    assert "4 of 4 epochs fit" in messages.text


@pytest.mark.parametrize("place", [(0, 2), (1, 3), (2, 0), (4, 2)])
def test_the_decision_survives_a_kill(tight, clock, monkeypatch, place):
    """Once saved, it also holds on a machine that would decide otherwise."""
    whole = elsewhere(tight, "whole")
    train(whole)
    with monkeypatch.context() as patch:
        interrupt(patch, *place, kill) if place[1] else kill_after_validation(patch, place[0])
        with pytest.raises(Killed):
            train(tight)
    if place >= (2, 0):
        clock.seconds = 1.0
    train(tight)
    assert outputs(tight) == outputs(whole)
    assert len(rows(tight)) == 6


def kill_after_validation(monkeypatch, epoch):
    original = loop.Trainer._close_epoch

    def close(trainer, row):
        if trainer.state.epoch + 1 == epoch:
            kill()
        original(trainer, row)

    monkeypatch.setattr(loop.Trainer, "_close_epoch", close)


@pytest.mark.parametrize("saved", [False, True])
def test_killed_before_and_after_the_decision_is_saved(tight, clock, monkeypatch, saved):
    original = saver.Saver.save

    def save(self, state):
        if not state.decided_after:
            return original(self, state)
        if saved:
            original(self, state)
        return kill()

    with monkeypatch.context() as patch:
        patch.setattr(saver.Saver, "save", save)
        with pytest.raises(Killed):
            train(tight)
    latest = ["epoch-000001-batch-000000", "epoch-000001-batch-000003"][saved]
    assert progress(tight)[-1] == latest
    clock.seconds = 5.0  # decides otherwise if nothing was saved
    train(tight)
    assert len(rows(tight)) == (6 if saved else 12)  # 30 s, then 15 s each


def test_a_stop_right_after_the_decision_resumes_with_it(tight, clock, monkeypatch):
    whole = elsewhere(tight, "whole")
    train(whole)
    with monkeypatch.context() as patch:
        original = loop.Trainer._keep_to_budget

        def keep(trainer):
            original(trainer)
            if trainer.state.epoch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

        patch.setattr(loop.Trainer, "_keep_to_budget", keep)
        with pytest.raises(StoppedEarly):
            train(tight)
    clock.seconds = 1.0
    train(tight)
    assert outputs(tight) == outputs(whole)
    assert figures(tight) == figures(whole)


def test_a_budget_too_small_for_an_epoch_trains_one_and_says_so(tight, clock, messages):
    train(dataclasses.replace(tight, time_budget=25 / 3600))
    assert len(rows(tight)) == 1
    assert rows(tight)[0]["ap"]
    (early, late) = [record for record in messages.records if record.levelname == "WARNING"]
    assert "not even one epoch fits into the time budget of 25 s: it takes about 30 s" in (
        early.getMessage()
    )
    assert "no further epoch fits" in late.getMessage()


def test_another_budget_is_another_training(tight):
    assert dataclasses.replace(tight, time_budget=1.0).decisive() != tight.decisive()
