import os

import pytest
import torch

from parkdet.training.determinism import arithmetic


@pytest.mark.parametrize("deterministic", [True, False])
def test_threads_and_algorithms_are_set_only_within_the_block(deterministic, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", deterministic)
    with arithmetic(2, deterministic):
        assert torch.get_num_threads() == 2
        assert torch.are_deterministic_algorithms_enabled() == deterministic
        assert torch.backends.cudnn.deterministic == deterministic
        assert torch.backends.cudnn.benchmark != deterministic
    assert torch.get_num_threads() == 1
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.deterministic
    assert torch.backends.cudnn.benchmark == deterministic


@pytest.mark.parametrize(("set_before", "expected"), [(None, ":4096:8"), (":16:8", ":16:8")])
def test_matrix_products_on_a_gpu_get_a_workspace_of_their_own(monkeypatch, set_before, expected):
    if set_before:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", set_before)
    else:
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with arithmetic(None, deterministic=False):
        assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == set_before
    with arithmetic(None, deterministic=True):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == expected
