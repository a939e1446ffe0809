import dataclasses
import os
import re
import signal
import subprocess
import sys

import pytest
import torch

import train as train_command
from interruptions import interrupt, outputs
from parkdet.errors import StoppedEarly
from parkdet.files import read_json
from parkdet.training import auto_batch
from parkdet.training.auto_batch import largest_batch, settle_batch_size
from parkdet.training.run import train
from parkdet.training.setup import read_job


@pytest.fixture
def automatic(settings):
    return dataclasses.replace(settings, batch_size="auto", epochs=2)


def tried(per_image, limit, most, ends_at=10**9):
    """The sizes that are tried and the one that is chosen, with 100 bytes for the model."""
    sizes = []

    def needed(size):
        sizes.append(size)
        return 100 + per_image * size if size < ends_at else None

    return sizes, largest_batch(needed, limit, most)


def test_it_doubles_until_the_next_would_not_fit():
    assert tried(per_image=10, limit=300, most=64) == ([1, 2, 4, 8, 16], 16)


def test_a_batch_that_runs_out_of_memory_ends_the_search():
    assert tried(per_image=10, limit=10**6, most=64, ends_at=8) == ([1, 2, 4, 8], 4)


def test_it_never_exceeds_the_useful_size():
    assert tried(per_image=10, limit=10**6, most=6) == ([1, 2, 4], 4)


def test_the_smallest_batch_is_one_image():
    assert tried(per_image=10, limit=50, most=64) == ([1], 1)
    assert tried(per_image=10, limit=-1, most=64) == ([], 1)


def measured_as(monkeypatch, size):
    calls = []
    monkeypatch.setattr(auto_batch, "_measured", lambda _: calls.append(1) or size)
    return calls


def test_the_size_is_measured_once_and_trains_as_if_it_had_been_given(
    automatic, monkeypatch, messages
):
    calls = measured_as(monkeypatch, 2)
    with monkeypatch.context() as patch:
        interrupt(patch, 1, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(StoppedEarly):
            train(automatic)
    measured_as(monkeypatch, 4)  # another machine
    train(automatic)
    assert len(calls) == 1
    assert "resuming after epoch 1 and batch 1" in messages.text
    assert "batch size: 2 (auto" in messages.text
    root = automatic.last.parent / "given"
    places = {name: root / name for name in ("state_dir", "last", "best", "metrics")}
    given = dataclasses.replace(automatic, batch_size=2, **places)
    train(given)
    assert outputs(automatic) == outputs(given)


def test_it_is_stored_before_it_is_used(automatic, monkeypatch):
    measured_as(monkeypatch, 2)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("parkdet.training.run.build_state", killed)
    with pytest.raises(KeyboardInterrupt):
        train(automatic)
    (size,) = read_json(automatic.state_dir / "auto-batch/sizes.json").values()
    assert size == 2


def test_other_settings_are_measured_anew(automatic, monkeypatch):
    calls = measured_as(monkeypatch, 2)
    settle_batch_size(read_job(automatic))
    settle_batch_size(read_job(dataclasses.replace(automatic, imgsz=96)))
    settle_batch_size(read_job(dataclasses.replace(automatic, workers=1)))
    assert len(calls) == 2


def test_a_given_number_is_kept(settings, monkeypatch):
    assert not measured_as(monkeypatch, 2)
    assert settle_batch_size(read_job(settings)).settings.batch_size == 4


def test_it_really_measures_on_a_cpu(automatic):
    """In a process of its own, as memory freed by other tests would be reused."""
    command = [
        *(sys.executable, train_command.__file__, "--batch-size", "auto", "--epochs", "1"),
        *("--dataset", automatic.dataset, "--weights", automatic.weights, "--imgsz", "320"),
        *("--state-dir", automatic.state_dir, "--metrics", automatic.metrics),
        *("--last", automatic.last, "--best", automatic.best, "--device", "cpu"),
        *("--val-period", "0", "--threads", "1", "--workers", "0", "--precision", "fp32"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.findall(r"a batch of (\d) takes ([\d.]+) of ([\d.]+) GB", done.stderr)
    assert [int(size) for size, _, _ in found] == [1, 2, 4, 8]  # of 9 images
    taken = [float(gigabytes) for _, gigabytes, _ in found]
    assert taken == sorted(set(taken))
    assert 0.01 < taken[-1] < 2
    assert "batch size: 8 (auto" in done.stderr


def test_memory_that_runs_out_ends_the_measurement(automatic, monkeypatch):
    job = read_job(automatic)
    original = auto_batch.build_loss

    def build(*arguments):
        loss = original(*arguments)

        def limited(predicted, targets):
            if len(predicted[0]) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return loss(predicted, targets)

        return limited

    monkeypatch.setattr(auto_batch, "build_loss", build)
    assert settle_batch_size(job).settings.batch_size == 2
