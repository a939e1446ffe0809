import time

import torch
from torch.utils.data import Dataset, _utils

from parkdet.training.loader import build_loader, close_loader


class Stuck(Dataset):
    """As if its file server were away."""

    def __getitem__(self, index):
        time.sleep(600)


def test_a_loading_process_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.1)
    loader = build_loader(Stuck(), [[0], [1]], 2, torch.device("cpu"))
    workers = iter(loader)._workers
    assert all(worker.is_alive() for worker in workers)
    close_loader(loader)
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()
