import pytest

from parkdet.errors import UserError
from parkdet.training.devices import count_processes, device_of_rank


@pytest.mark.parametrize(
    ("device", "processes", "count"),
    [
        ("auto", 1, 1),
        ("cpu", 3, 3),
        ("cuda:1", 1, 1),
        ("cuda", 1, 1),
        ("cuda:0,1", 1, 2),
        ("cuda:0,2,3", 3, 3),
    ],
)
def test_one_process_per_named_gpu_else_as_many_as_requested(device, processes, count):
    assert count_processes(device, processes) == count


@pytest.mark.parametrize(
    ("device", "processes", "message"),
    [
        ("cuda:0,1", 3, "leave --processes out"),
        ("cuda:0", 2, "name them"),
        ("cuda:1,1", 1, "twice"),
    ],
)
def test_contradictions_are_explained(device, processes, message):
    with pytest.raises(UserError, match=message):
        count_processes(device, processes)


@pytest.mark.parametrize(
    ("device", "gpus", "devices"),
    [
        ("cpu", 2, ["cpu", "cpu"]),
        ("auto", 0, ["cpu", "cpu"]),
        ("auto", 4, ["cuda:0", "cuda:1"]),
        ("cuda:3,1", 4, ["cuda:3", "cuda:1"]),
    ],
)
def test_each_rank_has_its_device(device, gpus, devices):
    assert [device_of_rank(device, rank, gpus) for rank in (0, 1)] == devices
