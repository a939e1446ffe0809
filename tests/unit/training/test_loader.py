import time

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, _utils

from parkdet.training.loader import build_loader, close_loader

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def opencv_threads():
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


class Stuck(Dataset):
    """Hangs as if its file server were unreachable."""

    def __getitem__(self, index):
        time.sleep(600)


def test_a_loader_worker_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.1)
    loader = build_loader(Stuck(), [[0], [1]], 2, CPU)
    workers = iter(loader)._workers
    assert all(worker.is_alive() for worker in workers)
    close_loader(loader)
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()


class Turned(Dataset):
    """Images made by an OpenCV function that uses threads."""

    def __getitem__(self, index):
        image = np.full((512, 512, 3), index, dtype=np.uint8)
        return torch.from_numpy(cv2.warpAffine(image, np.eye(2, 3), (512, 512)))


def test_loader_workers_start_after_this_process_used_opencvs_threads():
    cv2.setNumThreads(3)
    Turned()[0]
    time.sleep(0.1)  # the threads go idle: what they leave in a forked process is then unusable
    loader = build_loader(Turned(), [[0], [1]], 1, CPU)
    loader.collate_fn = torch.stack
    loader.timeout = 10
    assert [int(batch.max()) for batch in loader] == [0, 1]
    close_loader(loader)
