"""What the machine lacks is told in clear words."""

import dataclasses
import os
import signal

import pytest
import torch

from parkdet.errors import UserError
from parkdet.training import loop
from parkdet.training.lock import StateLock
from parkdet.training.run import train


def after_each_batch(monkeypatch, action):
    original = loop.Trainer._train_on

    def train_on(trainer, batch):
        original(trainer, batch)
        action(trainer)

    monkeypatch.setattr(loop.Trainer, "_train_on", train_on)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_too_little_memory_names_the_batch_size(settings, monkeypatch, error):
    def fail(_trainer):
        raise error

    after_each_batch(monkeypatch, fail)
    with pytest.raises(UserError, match=r"lower batch_size \(--batch-size, now 4") as raised:
        train(settings)
    assert "\n" not in str(raised.value)


def test_memory_that_really_cannot_be_had_is_recognised(settings, monkeypatch):
    after_each_batch(monkeypatch, lambda _: torch.empty(2**55, dtype=torch.uint8))
    with pytest.raises(UserError, match="lower batch_size"):
        train(settings)


def test_a_killed_loading_process_names_the_workers(settings, monkeypatch):
    def kill_worker(trainer):
        os.kill(trainer._loader._iterator._workers[0].pid, signal.SIGKILL)

    after_each_batch(monkeypatch, kill_worker)
    with pytest.raises(UserError, match=r"fewer workers \(--workers, now 1") as raised:
        train(dataclasses.replace(settings, workers=1))
    assert "\n" not in str(raised.value)


def test_other_faults_keep_their_traceback(settings, monkeypatch):
    def fail(_trainer):
        raise RuntimeError("shapes differ")

    after_each_batch(monkeypatch, fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(settings)


def test_a_folder_that_cannot_be_locked_is_a_clear_error(tmp_path):
    (tmp_path / "lock").mkdir()  # opening it fails, for root, too
    with pytest.raises(UserError, match=f"Cannot lock {tmp_path}: .*check --state-dir"):
        StateLock(tmp_path, "a").__enter__()
