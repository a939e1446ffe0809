"""SIGKILL at any moment of both trainings, then the same commands again: the same bytes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import train

KILLS = 24  # at random times; others come at chosen places
SCRIPT = Path(train.__file__)
STAGES = ("baseline", "tune")

# Each of these in both stages, in this order within a stage.
POINTS = [
    ("enter resume", 1),
    ("enter batch", 1),
    ("before replace in save", 3),
    ("after replace in save", 2),
    ("before fsync in save", 5),
    ("after fsync in save", 4),
    ("enter validation", 1),
    ("enter save", 4),
    ("enter validation", 1),
    ("enter final files", 1),
    ("before replace in final files", 1),
    ("after replace in final files", 1),
    ("before replace in final files", 2),
    ("after replace in final files", 3),
]


def options(dataset, weights, root, stage, workers=0, minutes=0.0):
    return [
        *("--dataset", str(dataset), "--weights", str(weights), "--stage", stage),
        *("--state-dir", str(root / "state" / stage), "--metrics", str(root / f"{stage}.csv")),
        *("--last", str(root / f"{stage}_last.pt"), "--best", str(root / f"{stage}_best.pt")),
        *("--epochs", "6", "--val-period", "2", "--imgsz", "64", "--batch-size", "2"),
        *("--nominal-batch", "8", "--device", "cpu", "--precision", "fp32", "--threads", "1"),
        *("--hyp", '{"warmup_bias_lr": 0.01}', "--checkpoint-minutes", str(minutes)),
        *("--workers", str(workers)),
    ]


def both_stages(dataset, weights, root, **more):
    return [
        options(dataset, weights, root, "baseline", **more),
        options(dataset, root / "baseline_last.pt", root, "tune", **more),
    ]


def results(root):
    """The bytes of all weights, and the figures without the times."""
    weights = [
        (root / f"{stage}_{end}.pt").read_bytes() for stage in STAGES for end in ("last", "best")
    ]
    tables = [(root / f"{stage}.csv").read_text().splitlines() for stage in STAGES]
    return weights, [[line.split(",")[:-2] for line in table] for table in tables]


@pytest.fixture(scope="module")
def attempt(tmp_path_factory):
    """Runs commands in a fork of a process that has everything imported."""
    log = (tmp_path_factory.mktemp("kills") / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("killed_trainer.py"))],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parent), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )

    def run(commands, **request):
        process.stdin.write(json.dumps({"commands": commands, **request}) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        assert answer["code"] in (0, -signal.SIGKILL), Path(log.name).read_text()[-3000:]
        return answer

    try:
        yield run
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def undisturbed(attempt, dataset, weights, tmp_path_factory):
    """The results of both stages without a kill, and the seconds that they take."""
    root = tmp_path_factory.mktemp("undisturbed")
    seconds = attempt(both_stages(dataset, weights, root))["seconds"]
    return results(root), seconds


def told(kills):
    lines = [f"{sum(kills.values())} kills"]
    lines += [f"  {count} in {phase} of {stage}" for (stage, phase), count in sorted(kills.items())]
    return "\n".join(lines)


@pytest.mark.slow
def test_kills_at_random_times_do_not_change_a_byte(
    attempt, undisturbed, dataset, weights, tmp_path
):
    expected, seconds = undisturbed
    draw = random.Random(20)
    kills, rounds = Counter(), 0
    while sum(kills.values()) < KILLS:
        rounds += 1
        root = tmp_path / str(rounds)
        minutes = draw.choice([0, 1e-9, 0.002])  # at epoch ends, at each batch, now and then
        commands = both_stages(dataset, weights, root, workers=rounds % 2, minutes=minutes)
        longest = seconds
        while (answer := attempt(commands, after=draw.uniform(0, longest)))["code"]:
            longest *= 1.05  # so that this ends even if the machine has become slower
            kills[STAGES[answer["stage"]], answer["phase"]] += 1
        assert results(root) == expected, told(kills)
    print(told(kills), f"in {rounds} rounds; undisturbed {seconds:.1f} s", sep="\n")


@pytest.mark.slow
def test_kills_at_chosen_places_do_not_change_a_byte(
    attempt, undisturbed, dataset, weights, tmp_path
):
    kills = Counter()
    for stage in STAGES:
        for place, (point, number) in enumerate(POINTS):
            commands = both_stages(dataset, weights, tmp_path, workers=place % 2, minutes=1e-9)
            answer = attempt(commands, point=point, number=number)
            assert answer["code"], f"{stage}: never reached {point} {number} times"
            kills[stage, answer["phase"]] += 1
    assert attempt(commands)["code"] == 0
    assert results(tmp_path) == undisturbed[0], told(kills)
    print(told(kills))


def wait_for_state(folder, process):
    deadline = time.monotonic() + 120
    while not list(folder.glob("*/epoch-*.pt")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.slow
def test_the_command_itself_killed_then_terminated(undisturbed, dataset, weights, tmp_path):
    """As a user types it, with loader workers, which must not outlive it."""
    command = options(dataset, weights, tmp_path, "baseline", workers=2, minutes=1e-9)
    state = tmp_path / "state" / "baseline"

    def start():
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), *command],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    process = start()
    wait_for_state(state, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    killed = time.monotonic()
    wait_until_gone(process.pid)
    print(f"loader workers lived on for {time.monotonic() - killed:.1f} s")
    newest = max(state.glob("*/epoch-*.pt")).name
    process = start()
    wait_until(lambda: max(state.glob("*/epoch-*.pt")).name > newest)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 75
    process = start()
    assert process.wait(120) == 0
    (weights_expected, _), _ = undisturbed
    found = [(tmp_path / f"baseline_{end}.pt").read_bytes() for end in ("last", "best")]
    assert found == weights_expected[:2]


def wait_until(true):
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_until_gone(group):
    deadline = time.monotonic() + 30
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, "loader workers outlived their trainer"
        time.sleep(0.05)
