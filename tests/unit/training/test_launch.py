import contextlib
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import parkdet

STUB, RANK = (Path(__file__).with_name(f"{name}_stub.py") for name in ("launch", "rank"))
LIBRARY = str(Path(parkdet.__file__).parents[1])
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


@pytest.fixture
def start(forks, tmp_path):
    """Starts a launcher of two ranks; what is left at the end is killed."""
    started = []

    def start(behaviour, **environment):
        environment = {"PYTHONPATH": LIBRARY, **environment}
        given = {"ARGUMENTS": (tmp_path, behaviour, environment)}
        launcher = forks.Process(target=runpy.run_path, args=(str(STUB), given))
        launcher.start()
        started.append(launcher)
        return launcher

    yield start
    for process in [*started, *map(psutil.Process, filter(psutil.pid_exists, ranks(tmp_path)))]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def ranks(folder):
    return [int(path.read_text()) for path in sorted(folder.glob("ready-?"))]


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for_ranks(folder, count=2):
    wait_for(lambda: len(ranks(folder)) == count)


def assert_ended(launcher, code, folder, count=2):
    launcher.join(60)
    assert launcher.exitcode == code, (folder / "output").read_text()
    assert len(ranks(folder)) == count
    wait_for(lambda: not any(map(psutil.pid_exists, ranks(folder))))


def test_it_ends_with_its_ranks(start, tmp_path):
    assert_ended(start("end"), 0, tmp_path)
    assert (tmp_path / "output").read_text() == ""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_reaches_each_rank_once_and_all_exit_with_75(start, tmp_path, number):
    launcher = start("slow save")
    wait_for_ranks(tmp_path)
    os.kill(launcher.pid, number)
    wait_for(lambda: len(list(tmp_path.glob("signals-?"))) == 2)
    with contextlib.suppress(ProcessLookupError):
        os.kill(launcher.pid, number)
    assert_ended(launcher, 75, tmp_path)
    assert [path.read_text() for path in tmp_path.glob("signals-?")] == [f"{number}\n"] * 2
    assert (tmp_path / "saved-0").exists()
    assert (tmp_path / "output").read_text() == f"stub: {number.name}: saved by rank 0\n"


def test_a_signal_waits_for_ranks_that_are_not_ready_for_it(start, tmp_path):
    launcher = start("slow start")
    wait_for_ranks(tmp_path)
    os.kill(launcher.pid, signal.SIGTERM)
    pending = lambda pid: bool(_pending_signals(pid) & 1 << signal.SIGTERM - 1)  # noqa: E731
    wait_for(lambda: all(map(pending, ranks(tmp_path))))
    (tmp_path / "go").touch()
    assert_ended(launcher, 75, tmp_path)


def _pending_signals(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("ShdPnd:")[1].split()[0], 16)


def test_no_rank_survives_a_killed_launcher(start, tmp_path):
    launcher = start("wait")
    wait_for_ranks(tmp_path)
    launcher.kill()
    assert_ended(launcher, -signal.SIGKILL, tmp_path)
    assert not list(tmp_path.glob("signals-?"))


def test_a_rank_whose_launcher_is_gone_before_it_looks_kills_itself(tmp_path):
    environment = {"PYTHONPATH": LIBRARY, "PARKDET_LAUNCHER": "1", "RANK": "0"}
    done = subprocess.run([sys.executable, str(RANK), str(tmp_path), "wait"], env=environment)
    assert done.returncode == -signal.SIGKILL
    assert not ranks(tmp_path)


@pytest.mark.parametrize("behaviour", ["wait", "hang"])
def test_a_killed_rank_stops_the_others_and_is_named(start, tmp_path, behaviour):
    launcher = start(behaviour)
    wait_for_ranks(tmp_path)
    os.kill(ranks(tmp_path)[1], signal.SIGKILL)
    assert_ended(launcher, 2, tmp_path)
    output = (tmp_path / "output").read_text()
    assert output.startswith("stub: Rank 1 of the training was killed by signal 9, SIGKILL")
    assert "The state up to the last save is kept: run the same command again" in output
    assert output.count("\n") == 1


def test_an_error_in_a_rank_is_shown_once_and_exits_with_2(start, tmp_path):
    assert_ended(start("user error"), 2, tmp_path)
    assert (tmp_path / "output").read_text() == "stub: No such file: nothing.json.\n"


def test_a_bug_in_a_rank_is_shown_with_its_traceback_not_what_followed(start, tmp_path):
    assert_ended(start("fault"), 1, tmp_path)
    output = (tmp_path / "output").read_text()
    assert "in rank 1" in output
    assert "ZeroDivisionError: the fault itself" in output
    assert "only what follows" not in output


def test_nothing_is_left_in_the_temporary_folder(start, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    assert_ended(start("end", TMPDIR=str(temporary)), 0, tmp_path)
    assert not list(temporary.iterdir())


def test_machines_that_cannot_meet_are_told_where_they_tried(start, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        shared = {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        launcher = start("wait", NODE_RANK="0", PROCESSES="1", **shared)
        assert_ended(launcher, 2, tmp_path, count=0)
    assert (
        f"did not meet at MASTER_ADDR:MASTER_PORT, 127.0.0.1:{port}"
        in (tmp_path / "output").read_text()
    )


def test_two_machines_train_together(start, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared = {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    first, second = (start("wait", NODE_RANK=str(node), PROCESSES="1", **shared) for node in (0, 1))
    wait_for_ranks(tmp_path)
    for launcher in (first, second):
        os.kill(launcher.pid, signal.SIGTERM)
    assert_ended(first, 75, tmp_path)
    assert_ended(second, 75, tmp_path)
