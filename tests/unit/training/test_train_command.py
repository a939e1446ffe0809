import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import train
from parkdet.command_line import run

SCRIPT = Path(train.__file__)


def arguments(settings, *more):
    return [
        *("--dataset", str(settings.dataset), "--weights", str(settings.weights)),
        *("--state-dir", str(settings.state_dir), "--metrics", str(settings.metrics)),
        *("--last", str(settings.last), "--best", str(settings.best)),
        *("--imgsz", "64", "--batch-size", "2", "--device", "cpu", "--precision", "fp32"),
        *("--threads", "1", *more),
    ]


@pytest.fixture
def command(settings):
    return lambda *more: run(train.build_parser(), train.main, arguments(settings, *more))


def test_options_reach_the_training(command, settings, monkeypatch):
    from parkdet.training import run as training

    seen = []
    monkeypatch.setattr(training, "train", seen.append)
    assert command("--epochs", "7", "--clip-grad-norm", "none", "--hyp", '{"lr0": 0.5}') == 0
    assert seen[0].epochs == 7
    assert seen[0].clip_grad_norm is None
    assert seen[0].hyp.lr0 == 0.5
    assert command("--epochs", "7", "--batch-size", "auto", "--time-budget", "1.5") == 0
    assert (seen[1].batch_size, seen[1].time_budget) == ("auto", 1.5)
    assert (seen[0].batch_size, seen[0].time_budget) == (2, None)
    assert seen[0].dataset == settings.dataset


def test_it_trains(command, settings):
    assert command("--epochs", "1", "--workers", "0", "--stage", "tune") == 0
    assert settings.last.is_file()
    assert settings.best.is_file()
    assert len(settings.metrics.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "1", "--hyp", '{"lr": 1}'], "unknown key `lr`"),
        (["--epochs", "1", "--device", "cuda:9"], "There is no device `cuda:9`"),
        (["--epochs", "1", "--imgsz", "70"], "multiple of 32"),
    ],
)
def test_bad_input_is_one_clear_paragraph(command, capsys, options, message):
    assert command(*options) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "options",
    [
        ["--epochs", "-1"],
        [],
        ["--epochs", "1", "--clip-grad-norm", "0"],
        ["--epochs", "1", "--time-budget", "0"],
        ["--epochs", "1", "--batch-size", "0"],
    ],
)
def test_bad_options_exit_with_2(command, options):
    with pytest.raises(SystemExit) as ended:
        command(*options)
    assert ended.value.code == 2


def test_help_needs_no_heavy_import():
    code = "import sys, train; train.build_parser().format_help(); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SCRIPT.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_signal_to_the_whole_group_ends_with_75_and_no_process_is_left(settings):
    log = settings.state_dir.with_name("train.log")
    options = arguments(settings, "--epochs", "2000", "--workers", "2", "--log", str(log))
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *options], stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 120
        while not list(settings.state_dir.glob("*/epoch-*.pt")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(60) == 75
    finally:
        process.kill()
    assert "Run the same command again to continue" in log.read_text()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
