"""Trainings in two processes on a CPU."""

import os
import re
import runpy
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest
import torch

from parkdet.detector.build import build_model
from parkdet.detector.checkpoints import checkpoint_of, save_checkpoint
from parkdet.errors import UserError
from parkdet.training import ranks, setup
from parkdet.training.signals import StopRequest
from parkdet.training.store import StateStore

STUB = Path(__file__).with_name("train_stub.py")
COURSE = (
    *("--epochs", "3", "--val-period", "2", "--image-weights", "--epoch-parts", "2"),
    *("--batch-size", "2"),
)
EVERY_BATCH = ("--checkpoint-minutes", "0.00001")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


class Training:
    """A training that writes into ``here``; its command runs in a fork."""

    def __init__(self, forks, dataset, weights, here):
        self._forks, self.here, self.log_file = forks, here, here / "log"
        self._options = [
            *("--dataset", str(dataset), "--weights", str(weights), "--workers", "1"),
            *("--state-dir", f"{here}/state", "--metrics", f"{here}/metrics.csv"),
            *("--last", f"{here}/last.pt", "--best", f"{here}/best.pt"),
            *("--imgsz", "64", "--batch-size", "4", "--nominal-batch", "8"),
            *("--device", "cpu", "--precision", "fp32"),
        ]

    def fork(self, *options, ranks=2, others=(), **environment):
        """Starts ranks as someone else's launcher would; all but rank 0 get further options."""
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), **environment}
        if ranks > 1:
            shared |= {"TORCHELASTIC_RUN_ID": "test", "WORLD_SIZE": str(ranks)}
            shared |= {"LOCAL_WORLD_SIZE": str(ranks)}
        started = []
        for rank in range(ranks):
            place = shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            own = [*options, "--threads", str(ranks), *(others if rank else ())]  # one for each
            started.append(self.command(*own, **place))
        return started

    def run(self, *options, **more):
        assert self.codes(self.fork(*options, **more)) == {0}, self.log()
        return self

    def codes(self, processes):
        for process in processes:
            process.join(120)
        return {process.exitcode for process in processes}

    def command(self, *options, **environment):
        given = {"ARGUMENTS": (self.log_file, [*self._options, *options], environment)}
        process = self._forks.Process(target=runpy.run_path, args=(str(STUB), given))
        process.start()
        return process

    def wait_for_state(self, alive):
        deadline = time.monotonic() + 120
        while not list(self.here.glob("state/*/epoch-*.pt")):
            assert time.monotonic() < deadline and alive(), self.log()
            time.sleep(0.01)

    def log(self):
        return self.log_file.read_text()

    def weights(self):
        return [(self.here / name).read_bytes() for name in ("last.pt", "best.pt")]

    def state(self):
        (folder,) = (self.here / "state").iterdir()
        return StateStore(folder).load()["state"]


@pytest.fixture
def training(forks, dataset, weights, tmp_path):
    def training(name="training"):
        (tmp_path / name).mkdir()
        return Training(forks, dataset, weights, tmp_path / name)

    return training


@pytest.fixture(scope="module")
def uninterrupted(forks, dataset, weights, tmp_path_factory):
    """In two ranks, with image weights and epoch parts."""
    return Training(forks, dataset, weights, tmp_path_factory.mktemp("two")).run(*COURSE)


def test_two_runs_give_the_same_bytes_and_one_rank_speaks(uninterrupted, training):
    again = training().run(*COURSE)
    assert again.weights() == uninterrupted.weights()
    assert again.log().count("baseline 3/3") == 1
    assert len((again.here / "metrics.csv").read_text().splitlines()) == 4


def test_a_signal_to_one_rank_stops_all_after_the_same_batch(uninterrupted, training):
    stopped = training()
    processes = stopped.fork(*COURSE, *EVERY_BATCH)
    stopped.wait_for_state(processes[1].is_alive)
    os.kill(processes[1].pid, signal.SIGUSR1)
    assert stopped.codes(processes) == {75}, stopped.log()
    places = re.findall(r"stopped after batch \d of 2 in epoch \d", stopped.log())
    assert len(places) == 2 and len(set(places)) == 1
    assert stopped.run(*COURSE).weights() == uninterrupted.weights()


def test_when_a_rank_is_killed_the_other_ends_and_a_new_run_goes_on(uninterrupted, training):
    killed = training()
    processes = killed.fork(*COURSE, *EVERY_BATCH)
    killed.wait_for_state(processes[1].is_alive)
    processes[1].kill()
    assert killed.codes(processes) == {2, -signal.SIGKILL}, killed.log()
    assert "The connection to another process of this training was lost" in killed.log()
    assert "Traceback" not in killed.log()
    assert killed.run(*COURSE).weights() == uninterrupted.weights()


def test_three_ranks_go_on_to_the_same_bytes(forks, dataset, tmp_path):
    """With three or more, a sum depends on its order if a model is not sent in one piece."""
    start, course = tmp_path / "wide.pt", ("--epochs", "2", "--val-period", "0")
    model = build_model("yolov5n", 2, seed=1)
    save_checkpoint(start, checkpoint_of(model, ["bright", "dark"], [3, 7], 64))
    course += ("--batch-size", "3", "--nominal-batch", "3")
    trainings = []
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
        trainings.append(Training(forks, dataset, start, tmp_path / name))
    whole, stopped = trainings
    whole.run(*course, ranks=3)
    processes = stopped.fork(*course, *EVERY_BATCH, ranks=3)
    stopped.wait_for_state(processes[0].is_alive)
    os.kill(processes[0].pid, signal.SIGTERM)
    assert stopped.codes(processes) == {75}, stopped.log()
    assert stopped.run(*course, ranks=3).weights() == whole.weights()


def test_ranks_that_would_train_something_else_are_refused(training):
    refused = training()
    processes = refused.fork(*COURSE, others=("--seed", "7"))
    assert refused.codes(processes) == {2}
    assert "Rank 1 differs from rank 0 in its settings or data" in refused.log()
    assert "seed was 0, is 7" in refused.log()
    assert not (refused.here / "last.pt").exists()


def test_ranks_follow_one_decision_about_a_time_budget(training):
    course = ("--epochs", "500", "--val-period", "0", "--time-budget", "0.0005")
    short = training().run(*course)
    epochs = len((short.here / "metrics.csv").read_text().splitlines()) - 1
    assert epochs == short.state()["epochs"] < 500
    assert short.log().count(" of 500 epochs fit into the time budget") == 1


def test_the_gradients_are_those_of_one_process(training):
    """Also for a last batch of one image, of which one rank gets none.

    Batch norms ignore the batch here, and the loss lacks the terms that are normalised by the
    number of boxes.
    """
    course = ("--epochs", "1", "--val-period", "0", "--clip-grad-norm", "none")
    course += ("--hyp", '{"box": 0, "cls": 0, "obj": 100}')
    one = training("one").run(*course, ranks=1, STILL_NORMS="1").state()
    two = training("two").run(*course, ranks=2, STILL_NORMS="1").state()
    assert one["batch"] == two["batch"] == 0 and one["epoch"] == two["epoch"] == 1
    expected, found = one["optimizer"]["state"], two["optimizer"]["state"]
    assert any(value["momentum_buffer"].abs().max() > 0.01 for value in expected.values())
    for key, value in expected.items():
        sums = found[key]["momentum_buffer"]
        torch.testing.assert_close(sums, value["momentum_buffer"], rtol=1e-4, atol=1e-6)
    losses = [state["history"][0]["obj_loss"] for state in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_killed_command_leaves_no_process_and_two_machines_finish(uninterrupted, training):
    """The machines are two launchers on this one; only the first writes."""
    first, second = training("first"), training("second")
    process = first.command(*COURSE, *EVERY_BATCH, "--processes", "2", "--threads", "2")
    first.wait_for_state(process.is_alive)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.join()
    assert len(family) >= 2
    _, alive = psutil.wait_procs(family, 20)
    assert not alive
    assert not (first.here / "last.pt").exists()

    shared = {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    machines = [
        machine.command(*COURSE, "--threads", "1", NODE_RANK=str(number), **shared)
        for number, machine in enumerate((first, second))
    ]
    assert first.codes(machines) == {0}, first.log() + second.log()
    assert first.weights() == uninterrupted.weights()
    assert [path.name for path in second.here.iterdir()] == ["log"]


def test_the_batch_must_be_a_multiple_of_the_processes(settings, monkeypatch):
    monkeypatch.setattr(ranks, "size", lambda: 3)
    with pytest.raises(UserError, match=r"--batch-size 4 is shared by 3 processes.*try 6"):
        setup.read_job(settings)


def test_batch_norm_over_processes_needs_gpus(monkeypatch):
    model, cpu = torch.nn.Linear(1, 1), torch.device("cpu")
    with pytest.raises(UserError, match=r"--sync-bn .* here there is 1 on cpu"):
        ranks.wrapped(model, cpu, sync_bn=True)
    monkeypatch.setattr(ranks, "size", lambda: 2)
    with pytest.raises(UserError, match=r"--sync-bn .* here there are 2 on cpu"):
        ranks.wrapped(model, cpu, sync_bn=True)


def test_a_single_process_is_rank_0_of_1_and_not_wrapped():
    model, stop, value = torch.nn.Linear(1, 1), StopRequest(), object()
    with ranks.joined():
        assert (ranks.rank(), ranks.size(), ranks.is_main()) == (0, 1, True)
        assert ranks.wrapped(model, torch.device("cpu"), sync_bn=False) is model
        assert ranks.from_main(value) is value
        assert not ranks.agree_to_stop(stop)
        stop.heed(signal.SIGTERM)
        assert ranks.agree_to_stop(stop)
