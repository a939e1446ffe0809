"""What the machine lacks is explained in plain words."""

import dataclasses
import errno
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
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("unable to mmap 9 bytes from file <f>: Cannot allocate memory (12)"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_too_little_memory_names_the_batch_size(settings, monkeypatch, error):
    def fail(_trainer):
        raise error

    after_each_batch(monkeypatch, fail)
    with pytest.raises(UserError, match=r"lower batch_size \(--batch-size, now 4") as raised:
        train(settings)
    assert "\n" not in str(raised.value)


def test_a_real_allocation_failure_is_recognised(settings, monkeypatch):
    after_each_batch(monkeypatch, lambda _: torch.empty(2**55, dtype=torch.uint8))
    with pytest.raises(UserError, match="lower batch_size"):
        train(settings)


def test_a_killed_loader_worker_names_the_option(settings, monkeypatch):
    def kill_worker(trainer):
        os.kill(trainer._loader._iterator._workers[0].pid, signal.SIGKILL)

    after_each_batch(monkeypatch, kill_worker)
    with pytest.raises(UserError, match=r"fewer workers \(--workers, now 1") as raised:
        train(dataclasses.replace(settings, workers=1))
    assert "\n" not in str(raised.value)


def test_too_little_shared_memory_names_it_and_the_workers(settings, monkeypatch):
    def fail(*_, **__):  # as torch does in a loader worker
        raise RuntimeError(
            "unable to allocate shared memory(shm) for file </torch_1_2_0>: "
            "No space left on device (28)"
        )

    monkeypatch.setattr(torch.UntypedStorage, "_new_shared", fail)
    with pytest.raises(UserError, match=r"/dev/shm.*--shm-size.*--workers, now 1; 0") as raised:
        train(dataclasses.replace(settings, workers=1))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "said", ["shapes differ", "could not create a primitive descriptor for a convolution"]
)
def test_other_faults_keep_their_traceback(settings, monkeypatch, said):
    def fail(_trainer):
        raise RuntimeError(said)

    after_each_batch(monkeypatch, fail)
    with pytest.raises(RuntimeError, match=said):
        train(settings)


def test_a_folder_that_cannot_be_locked_is_a_clear_error(tmp_path):
    (tmp_path / "lock").mkdir()  # opening it fails, for root, too
    with pytest.raises(UserError, match=f"Cannot lock {tmp_path}: .*check --state-dir"):
        StateLock(tmp_path, "a").__enter__()
