"""Trackers: complete after interruptions, never in the way, and silent on the network."""

import dataclasses
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import parkdet
from interruptions import Killed, interrupt, kill, outputs
from parkdet.errors import UserError
from parkdet.training import tracking
from parkdet.training.run import train
from parkdet.training.tracking import check_trackers

BOTH = ("mlflow", "wandb")
EPOCHS = [1, 2, 3, 4]


@pytest.fixture(autouse=True)
def environment(monkeypatch) -> Iterator[None]:
    """Hides the user's tracker variables, and removes those that a tracker leaves behind."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("MLFLOW_", "WANDB_")):
            monkeypatch.delenv(name)
    yield
    for name in {*os.environ} - {*before}:
        del os.environ[name]


@pytest.fixture
def packages() -> None:
    """The optional packages; if they are missing in CI, that is a failure."""
    missing = [name for name in BOTH if find_spec(name) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{missing} must be there: make setup-tracking")
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}: make setup-tracking")


@pytest.fixture
def everywhere(settings):
    """A small training with all trackers and a loader worker."""
    folder = settings.state_dir.parent
    return dataclasses.replace(
        settings,
        threads=1,
        workers=1,
        tensorboard=folder / "board",
        tracking=BOTH,
        tracking_dir=folder / "tracking",
        run_name="lot",
    )


def board_epochs(folder) -> list[int]:
    events = EventAccumulator(str(folder)).Reload()
    return [event.step for event in events.Scalars("box_loss")]


def mlflow_runs(folder) -> list:
    """Each run with its epochs, as found by someone who opens the files."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient

    client = MlflowClient((folder / "mlflow").as_uri())
    experiment = client.get_experiment_by_name("parkdet")
    return [
        (run, sorted(point.step for point in client.get_metric_history(run.info.run_id, "seconds")))
        for run in client.search_runs([experiment.experiment_id])
    ]


def wandb_records(file: Path) -> Iterator:
    """A .wandb file's records: LevelDB's log format, in blocks of 32 KiB after a header of 7."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, record = file.read_bytes(), 7, b""
    while place + 7 <= len(content):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)
        record += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(record)
            record = b""


def wandb_epochs(file: Path) -> list[int]:
    return [record.history.step.num for record in wandb_records(file) if record.HasField("history")]


def test_a_resumed_training_goes_on_in_the_same_runs_and_gives_the_same_weights(
    packages, everywhere, uninterrupted, monkeypatch
):
    with monkeypatch.context() as patch:
        interrupt(patch, 2, 1, kill)
        with pytest.raises(Killed):
            train(everywhere)
    train(everywhere)
    assert outputs(everywhere) == outputs(uninterrupted)

    assert board_epochs(everywhere.tensorboard) == EPOCHS
    ((run, epochs),) = mlflow_runs(everywhere.tracking_dir)
    assert epochs == EPOCHS
    assert (run.info.run_name, run.info.status) == ("lot baseline", "FINISHED")
    assert run.data.params["batch_size"] == "4"
    files = sorted(everywhere.tracking_dir.glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 2
    assert len({file.name for file in files}) == 1
    assert wandb_epochs(files[-1]) == EPOCHS


def test_a_training_begun_anew_is_another_run(packages, everywhere):
    short = dataclasses.replace(everywhere, epochs=1, tracking=("mlflow",), workers=0)
    train(short)
    train(dataclasses.replace(short, retrain=True))
    assert [epochs for _, epochs in mlflow_runs(short.tracking_dir)] == [[1], [1]]


@pytest.mark.parametrize("moment", [1, 2])
def test_an_epoch_that_was_saved_but_not_yet_tracked_is_not_missing(settings, monkeypatch, moment):
    board = settings.state_dir.parent / "board"
    settings = dataclasses.replace(settings, epochs=2, val_period=0, tensorboard=board)
    add = tracking.TensorBoard.add
    with monkeypatch.context() as patch:
        patch.setattr(
            tracking.TensorBoard,
            "add",
            lambda board, row: kill() if row["epoch"] == moment else add(board, row),
        )
        with pytest.raises(Killed):
            train(settings)
    train(settings)
    assert board_epochs(board) == [1, 2]


def test_a_tracker_that_fails_later_is_reported_once_and_costs_nothing(
    packages, everywhere, uninterrupted, monkeypatch, messages
):
    files = everywhere.tracking_dir / "mlflow"
    lost = dataclasses.replace(everywhere, tracking=("mlflow",), workers=0)

    def lose_the_store():
        files.rename(files.with_name("lost"))
        files.touch()

    interrupt(monkeypatch, 1, 1, lose_the_store)
    train(lost)
    assert outputs(lost) == outputs(uninterrupted)
    assert messages.text.count("no more figures for mlflow") == 1
    assert board_epochs(lost.tensorboard) == EPOCHS


def test_a_board_that_cannot_be_written_is_reported_once_and_costs_nothing(settings, messages):
    settings.metrics.with_name("file").touch()
    board = settings.metrics.with_name("file") / "board"
    train(dataclasses.replace(settings, epochs=1, tensorboard=board))
    assert messages.text.count("no more figures for tensorboard") == 1
    assert settings.last.exists()


def test_a_missing_package_is_reported_before_anything_is_trained(monkeypatch, tmp_path):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"asks for mlflow and wandb.*make setup-tracking"):
        check_trackers(BOTH, tmp_path)
    check_trackers((), None)


def test_trackers_need_a_folder(packages):
    with pytest.raises(UserError, match="--tracking-dir"):
        check_trackers(BOTH, None)


# In a network namespace without any interface, the kernel counts every attempt to leave it,
# including those of processes that are not Python.
COUNTERS = ("OutNoRoutes", "Ip6OutNoRoutes", "ActiveOpens", "OutDatagrams", "Udp6OutDatagrams")
COUNT = '"$@"; code=$?; cat /proc/net/snmp /proc/net/snmp6; exit $code'


def attempts(folder: Path, *program: str, **environment: str) -> int:
    """How often a program and what it starts tried to reach anything over a network."""
    alone = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "needs the right to make a network namespace"
        )
    # Not the caller's variables: what these libraries send depends on CI and the like.
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    variables["PYTHONPATH"] = str(Path(parkdet.__file__).parents[1])
    done = subprocess.run(
        [*alone, "sh", "-c", COUNT, "sh", sys.executable, *program],
        env=variables,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return sum(counted(done.stdout.splitlines()).values())


def counted(lines: list[str]) -> dict[str, int]:
    """The counters of interest: IPv4's from lines of names and numbers, IPv6's from pairs."""
    values = {}
    for names, numbers in pairwise(lines):
        if names.split()[0] == numbers.split()[0]:
            values |= dict(zip(names.split()[1:], numbers.split()[1:], strict=True))
        elif len(numbers.split()) == 2:
            values |= dict([numbers.split()])
    return {name: int(values[name]) for name in COUNTERS}


def test_attempts_to_reach_the_network_are_counted(tmp_path):
    connect = "import socket; socket.socket().connect_ex(('192.0.2.1', 80))"
    assert attempts(tmp_path, "-c", connect) > 0
    resolve = "import socket\ntry: socket.getaddrinfo('example.org', 80)\nexcept OSError: pass"
    assert attempts(tmp_path, "-c", resolve) > 0
    assert attempts(tmp_path, "-c", "") == 0


TRACKED = """
import sys
from pathlib import Path
from types import SimpleNamespace
from parkdet.training.tracking import Course, tracked

settings = SimpleNamespace(
    tensorboard=None, tracking=("mlflow", "wandb"), tracking_dir=Path(sys.argv[1])
)
with tracked(settings, Course("0a1b", "lot baseline", {"seed": 1}, ())) as trackers:
    trackers.add({"epoch": 1, "seconds": 2.5})
"""


def test_by_default_no_tracker_tries_to_reach_the_network(packages, tmp_path):
    assert attempts(tmp_path, "-c", TRACKED, str(tmp_path / "tracking")) == 0
    assert [epochs for _, epochs in mlflow_runs(tmp_path / "tracking")] == [[1]]
    (file,) = tmp_path.glob("tracking/wandb/offline-run-*/*.wandb")
    assert wandb_epochs(file) == [1]
