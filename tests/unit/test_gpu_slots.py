"""Jobs on a workstation do not share a GPU; two GPUs serve two jobs."""

import multiprocessing
import os

import pytest

from parkdet import gpu_slots
from parkdet.gpu_slots import VISIBLE, claim_gpus, share_of_cores, visible_gpus

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def own_slots(tmp_path, monkeypatch):
    """Lock files of this test alone, and no GPU of this machine."""
    monkeypatch.setattr(gpu_slots.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(gpu_slots, "TURN", 0.01)
    monkeypatch.setattr(gpu_slots, "_held", [])
    monkeypatch.setenv(VISIBLE, "")


class Job:
    """A process that claims GPUs, says which it has, and ends when told to."""

    def __init__(self, device="auto", count=1):
        self._ours, theirs = FORK.Pipe()
        self._process = FORK.Process(target=self._work, args=(theirs, device, count))
        self._process.start()

    @staticmethod
    def _work(pipe, device, count):
        claim_gpus(device, count)
        pipe.send(os.environ.get(VISIBLE))
        pipe.recv()

    def computes_on(self, seconds=20):
        """Its GPUs, or None if it waits for that long."""
        return self._ours.recv() if self._ours.poll(seconds) else None

    def end(self):
        self._ours.send("end")
        self._process.join()

    def kill(self):
        self._process.kill()
        self._process.join()


@pytest.fixture
def start():
    """Starts jobs; they are killed at the end."""
    jobs = []

    def start(*arguments):
        jobs.append(Job(*arguments))
        return jobs[-1]

    yield start
    for job in jobs:
        job.kill()


def test_of_two_gpus_each_job_has_its_own_and_a_third_waits(monkeypatch, start):
    monkeypatch.setenv(VISIBLE, "4,6")
    first, second = start(), start()
    assert {first.computes_on(), second.computes_on()} == {"4", "6"}
    third = start()
    assert third.computes_on(seconds=0.3) is None
    first.end()
    assert third.computes_on() in ("4", "6")


def test_of_one_gpu_the_second_job_waits_until_the_first_is_dead(monkeypatch, start):
    monkeypatch.setenv(VISIBLE, "0")
    first = start()
    assert first.computes_on() == "0"
    second = start()
    assert second.computes_on(seconds=0.3) is None
    first.kill()
    assert second.computes_on() == "0"


def test_a_named_gpu_is_waited_for_and_no_other_is_taken(monkeypatch, start):
    monkeypatch.setenv(VISIBLE, "0,1")
    first = start("cuda:1")
    assert first.computes_on() == "0,1"
    second, other = start("cuda:1"), start("cuda:0")
    assert other.computes_on() == "0,1"
    assert second.computes_on(seconds=0.3) is None


def test_several_are_taken_together(monkeypatch, start):
    monkeypatch.setenv(VISIBLE, "0,1,2")
    first = start("auto", 2)
    assert first.computes_on() == "0,1"
    waiting = start("auto", 2)
    assert waiting.computes_on(seconds=0.3) is None
    single = start()
    assert single.computes_on() == "2"
    first.end()
    assert waiting.computes_on() == "0,1"


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_without_a_gpu_nothing_is_claimed(device, tmp_path):
    claim_gpus(device)
    assert os.environ[VISIBLE] == ""
    assert not list(tmp_path.iterdir())


def test_gpus_are_counted_by_their_device_files(tmp_path):
    for name in ("nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert visible_gpus({}, tmp_path) == ["2", "10"]
    assert visible_gpus({VISIBLE: "7"}, tmp_path) == ["7"]
    assert visible_gpus({VISIBLE: ""}, tmp_path) == []


@pytest.mark.parametrize(
    ("gpus", "device", "processes", "cores"),
    [
        ("", "auto", 1, 8),
        ("0", "auto", 1, 8),
        ("0,1", "auto", 1, 4),
        ("0,1", "cuda:0,1", 2, 8),
        ("0,1", "cpu", 1, 8),
        ("", "auto", 2, 8),
    ],
)
def test_cores_are_divided_among_as_many_jobs_as_there_are_gpus(
    gpus, device, processes, cores, monkeypatch
):
    monkeypatch.setenv(VISIBLE, gpus)
    assert share_of_cores(8, device, processes) == cores
