import dataclasses
import json
import shutil

import pytest
import torch

from interruptions import figures, outputs, rows
from parkdet.detector.checkpoints import load_checkpoint
from parkdet.errors import UserError
from parkdet.evaluation.coco_metrics import evaluate
from parkdet.hyperparameters import Hyperparameters
from parkdet.training import loop, validation
from parkdet.training.run import train


def test_two_runs_give_the_same_bytes(settings, uninterrupted):
    train(settings)
    assert outputs(settings) == outputs(uninterrupted)
    assert figures(settings) == figures(uninterrupted)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_do_not_change_the_bytes(settings, uninterrupted, workers):
    train(dataclasses.replace(settings, workers=workers))
    assert outputs(settings) == outputs(uninterrupted)


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


def test_zero_epochs_write_the_starting_weights(settings, weights):
    train(dataclasses.replace(settings, epochs=0))
    start, last = load_checkpoint(weights), load_checkpoint(settings.last)
    assert all(torch.equal(last.state[name], start.state[name]) for name in start.state)
    assert settings.best.read_bytes() == settings.last.read_bytes()
    assert rows(settings) == []


def scores(monkeypatch, values):
    """Makes the validations report these APs, one after the other."""
    values = iter(values)

    def scored(truth, found):
        return dataclasses.replace(evaluate(truth, []), ap=next(values))

    monkeypatch.setattr(validation, "evaluate", scored)


def test_of_epochs_with_equal_fitness_the_later_is_best(settings, monkeypatch):
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
