"""What happens to the state of a training that is finished or whose code has changed."""

import dataclasses
import json

import pytest

from interruptions import Killed, interrupt, kill, outputs, rows
from parkdet.training import loop, run
from parkdet.training.run import train


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


def test_outputs_that_were_never_written_are_written_even_with_retrain(settings, monkeypatch):
    anew = dataclasses.replace(settings, epochs=1, retrain=True)
    with monkeypatch.context() as patch:
        patch.setattr(run, "_write_outputs", lambda *_: kill())
        with pytest.raises(Killed):
            train(anew)
    monkeypatch.setattr(loop.Trainer, "run_epoch", lambda _: pytest.fail("trained again"))
    train(anew)
    assert settings.last.exists()


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


def code_in_sidecar(settings):
    return json.loads(settings.last.with_name("last.pt.provenance.json").read_text())["code"]


def test_changed_code_is_warned_about_and_retrains_nothing(settings, monkeypatch, messages):
    short = dataclasses.replace(settings, epochs=2)
    with monkeypatch.context() as patch:
        interrupt(patch, 1, 1, kill)
        with pytest.raises(Killed):
            train(short)
    monkeypatch.setattr(run, "_code", lambda: "other")
    train(short)
    assert "continues with changed code" in messages.text
    assert code_in_sidecar(short) == "other"

    monkeypatch.setattr(run, "_code", lambda: "yet another")
    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "run_epoch", lambda _: pytest.fail("trained again"))
        train(short)
    assert "trained with code that has since changed" in messages.text
    assert code_in_sidecar(short) == "other"
    train(dataclasses.replace(short, retrain=True))
    assert code_in_sidecar(short) == "yet another"
