import csv
import dataclasses
import json
import os
import shutil
import signal

import pytest
import torch

from parkdet.detector.checkpoints import load_checkpoint
from parkdet.errors import StoppedEarly, UserError
from parkdet.evaluation.coco_metrics import evaluate
from parkdet.hyperparameters import Hyperparameters
from parkdet.training import loop, run, validation
from parkdet.training.fingerprint import environment
from parkdet.training.run import train


def outputs(settings):
    return settings.last.read_bytes(), settings.best.read_bytes()


def rows(settings):
    with settings.metrics.open() as file:
        return list(csv.DictReader(file))


def figures(settings):
    """The metrics without the times, which differ from run to run."""
    times = ("images_per_s", "seconds")
    return [{key: row[key] for key in row if key not in times} for row in rows(settings)]


def interrupt(monkeypatch, epoch, batch, action):
    """Does ``action`` after the given batch, in a training that starts in this test."""
    original = loop.Trainer._train_on

    def train_on(trainer, images):
        original(trainer, images)
        if (trainer.state.epoch, trainer.state.batch) == (epoch, batch):
            action()

    monkeypatch.setattr(loop.Trainer, "_train_on", train_on)


class Killed(BaseException):
    """Stands for a process that ends at once."""


def kill():
    raise Killed


def test_two_runs_give_the_same_bytes(settings, uninterrupted):
    train(settings)
    assert outputs(settings) == outputs(uninterrupted)
    assert figures(settings) == figures(uninterrupted)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_do_not_change_the_bytes(settings, uninterrupted, workers):
    train(dataclasses.replace(settings, workers=workers))
    assert outputs(settings) == outputs(uninterrupted)


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


def test_a_damaged_state_costs_an_epoch_but_not_the_result(settings, uninterrupted, messages):
    train(settings)
    newest = max(settings.state_dir.glob("*/epoch-*.pt"))
    os.truncate(newest, newest.stat().st_size // 2)
    train(settings)
    assert "is damaged" in messages.text
    assert "resuming after epoch 3" in messages.text
    assert outputs(settings) == outputs(uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_stops_with_75_and_loses_no_epoch(settings, uninterrupted, monkeypatch, number):
    with monkeypatch.context() as patch:
        interrupt(patch, 1, 1, lambda: os.kill(os.getpid(), number))
        with pytest.raises(StoppedEarly, match=f"{number.name}.*after epoch 1 is in") as stopped:
            train(settings)
    assert stopped.value.exit_code == 75
    train(settings)
    assert outputs(settings) == outputs(uninterrupted)


def test_a_finished_training_only_writes_its_outputs(settings, monkeypatch, messages):
    train(settings)
    before = outputs(settings)
    for path in (settings.last, settings.best, settings.metrics):
        path.unlink()
    monkeypatch.setattr(loop.Trainer, "run_epoch", lambda _: pytest.fail("trained again"))
    train(settings)
    assert outputs(settings) == before
    assert len(rows(settings)) == 4
    assert "already trained" in messages.text


def test_retrain_ignores_a_finished_state(settings, messages):
    short = dataclasses.replace(settings, epochs=1)
    train(short)
    before = outputs(short)
    train(dataclasses.replace(short, retrain=True))
    assert "trained anew as asked" in messages.text
    assert outputs(short) == before


def test_retrain_goes_on_with_an_unfinished_state_and_says_how_to_start_anew(
    settings, monkeypatch, messages
):
    short = dataclasses.replace(settings, epochs=2)
    with monkeypatch.context() as patch:
        interrupt(patch, 1, 1, kill)
        with pytest.raises(Killed):
            train(short)
    train(dataclasses.replace(short, retrain=True))
    (folder,) = short.state_dir.iterdir()
    (warning,) = [record for record in messages.records if "--retrain" in record.getMessage()]
    assert warning.levelname == "WARNING"
    assert f"remove {folder}" in warning.getMessage()


def test_other_code_trains_anew_when_finished_and_warns_when_not(settings, monkeypatch, messages):
    short = dataclasses.replace(settings, epochs=2)
    with monkeypatch.context() as patch:
        interrupt(patch, 1, 1, kill)
        with pytest.raises(Killed):
            train(short)
    monkeypatch.setattr(run, "_code", lambda: "other")
    train(short)
    assert "continues with changed code" in messages.text
    monkeypatch.setattr(run, "_code", lambda: "yet another")
    train(short)
    assert "trained before with other code" in messages.text


def test_another_number_of_threads_is_warned_about(settings, monkeypatch, messages):
    with monkeypatch.context() as patch:
        interrupt(patch, 3, 1, kill)
        with pytest.raises(Killed):
            train(settings)
    monkeypatch.setattr(run, "environment", lambda device: {**environment(device), "threads": 2})
    train(settings)
    assert "not bit-identical: threads was 1, is 2" in messages.text


def test_what_is_written(settings):
    train(settings)
    last, best = load_checkpoint(settings.last), load_checkpoint(settings.best)
    for checkpoint in (last, best):
        assert checkpoint.names == ["bright", "dark"]
        assert checkpoint.category_ids == [3, 7]
        assert checkpoint.imgsz == 64
        assert checkpoint.has_head
        assert {value.dtype for value in checkpoint.state.values()} == {torch.half, torch.int64}
    assert last.meta == {"epoch": 4, "stage": "baseline"}
    assert best.meta["epoch"] in (2, 4)
    sidecar = json.loads(settings.best.with_name("best.pt.provenance.json").read_text())
    assert sidecar["settings"]["hyp.warmup_bias_lr"] == 0.01
    assert str(settings.weights) in sidecar["inputs"]
    validated = [row["epoch"] for row in rows(settings) if row["ap"]]
    assert validated == ["2", "4"]  # val_period 2


def test_the_last_epoch_is_always_validated(settings):
    train(dataclasses.replace(settings, val_period=0, epochs=3))
    assert [bool(row["ap"]) for row in rows(settings)] == [False, False, True]


def test_without_val_images_best_is_last(settings, dataset, tmp_path):
    (tmp_path / "images").symlink_to(dataset.parent / "images")
    (tmp_path / "labels").symlink_to(dataset.parent / "labels")
    for name in ("train.json", "train.txt", "dataset.yaml"):
        (tmp_path / name).write_text((dataset.parent / name).read_text())
    empty = json.loads((dataset.parent / "val.json").read_text()) | {"images": []}
    (tmp_path / "val.json").write_text(json.dumps(empty | {"annotations": []}))
    (tmp_path / "val.txt").write_text("")
    train(dataclasses.replace(settings, dataset=tmp_path / "dataset.yaml", epochs=2))
    last, best = outputs(settings)
    assert last == best


def test_no_epochs_write_the_starting_weights(settings, weights):
    train(dataclasses.replace(settings, epochs=0))
    start, last = load_checkpoint(weights), load_checkpoint(settings.last)
    assert all(torch.equal(last.state[name], start.state[name]) for name in start.state)
    assert settings.best.read_bytes() == settings.last.read_bytes()
    assert rows(settings) == []


def scores(monkeypatch, values):
    """Makes the validations report these AP, one after the other."""
    values = iter(values)

    def scored(truth, found):
        return dataclasses.replace(evaluate(truth, []), ap=next(values))

    monkeypatch.setattr(validation, "evaluate", scored)


def test_of_equal_fitness_the_later_epoch_is_best(settings, monkeypatch):
    scores(monkeypatch, [0.1, 0.3, 0.3, 0.2])
    train(dataclasses.replace(settings, val_period=1))
    assert load_checkpoint(settings.best).meta == {
        "epoch": 3,
        "fitness": 0.3,
        "stage": "baseline",
    }


def test_patience_ends_the_training(settings, monkeypatch, messages):
    scores(monkeypatch, [0.3, 0.2, 0.1, 0.4])
    patient = dataclasses.replace(settings, val_period=1, patience=2)
    train(patient)
    assert len(rows(settings)) == 3
    assert "no better fitness in 2 epochs" in messages.text
    train(patient)
    assert "already trained" in messages.text


def test_a_loss_that_is_not_finite_names_the_images(settings, monkeypatch):
    original = loop.build_loss

    def broken(*arguments):
        loss = original(*arguments)
        return lambda *inputs: (loss(*inputs)[0] * float("nan"), torch.zeros(3))

    monkeypatch.setattr(loop, "build_loss", broken)
    with pytest.raises(UserError, match=r"not finite in epoch 1.*train_\d.png, train_\d.png"):
        train(settings)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_missing_image_is_one_clear_line(settings, dataset, tmp_path, workers):
    root = tmp_path / "broken"
    shutil.copytree(dataset.parent, root)
    shutil.rmtree(root / "images/train")
    with pytest.raises(UserError) as error:
        train(dataclasses.replace(settings, dataset=root / "dataset.yaml", workers=workers))
    assert str(error.value).startswith("Cannot read")
    assert "\n" not in str(error.value)


def test_size_must_suit_the_detector(settings):
    with pytest.raises(UserError, match=r"--imgsz 70 must be a multiple of 32.*try 96"):
        train(dataclasses.replace(settings, imgsz=70))


def test_a_layer_must_be_left_to_train(settings):
    for layers in (25, 99):
        with pytest.raises(UserError, match=f"--freeze {layers} .* has 25 layers.* less than 25"):
            train(dataclasses.replace(settings, freeze=layers))
    train(dataclasses.replace(settings, freeze=24, epochs=1, val_period=0))


def test_threads_and_algorithms_are_set_for_the_training_alone():
    with run._repeatable(threads=2):
        assert torch.get_num_threads() == 2
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == 1
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_loss_falls(settings):
    plain = {"mosaic": 0.0, "scale": 0.0, "translate": 0.0, "fliplr": 0.0, "hsv_v": 0.0}
    learning = dataclasses.replace(
        settings,
        epochs=15,
        val_period=0,
        nominal_batch=4,
        optimizer="AdamW",
        hyp=Hyperparameters(lr0=0.01, momentum=0.9, **plain),
    )
    train(learning)
    table = rows(learning)
    assert float(table[-1]["box_loss"]) < 0.9 * float(table[0]["box_loss"])
