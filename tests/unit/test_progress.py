"""What is shown while a loop runs: by a clock that the tests turn."""

import argparse
import io
import logging
import sys

import pytest

from parkdet import command_line, progress
from parkdet.progress import duration, track


class Clock:
    """Stands for the time module: it goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def lines(monkeypatch, caplog) -> list[str]:
    monkeypatch.setattr(logging.getLogger("parkdet"), "propagate", True)
    caplog.set_level("INFO", logger="parkdet")
    return caplog.messages


def take(clock: Clock, seconds: float, *arguments, **options) -> list:
    """Runs a tracked loop in which each item takes ``seconds``."""
    taken = []
    for item in track(*arguments, **options):
        taken.append(item)
        clock.now += seconds
    return taken


def test_a_line_every_half_minute_has_rate_and_time_left(clock, lines, caplog):
    assert take(clock, 10, range(9), 9, "baseline 1/50") == list(range(9))
    assert caplog.messages == [
        "baseline 1/50: 3/9 batches, 0.1 batches/s, 60 s left",
        "baseline 1/50: 6/9 batches, 0.1 batches/s, 30 s left",
        "baseline 1/50: 9/9 batches, 0.1 batches/s, 0 s left",
    ]


def test_a_loop_of_less_than_half_a_minute_writes_nothing(clock, lines, caplog):
    take(clock, 1, range(29), 29, "linking")
    assert caplog.messages == []


def test_figures_are_asked_for_when_they_are_shown_and_not_before(clock, lines, caplog):
    asked = []

    def figures() -> str:
        asked.append(clock.now)
        return "loss box 0.05"

    take(clock, 10, range(5), 5, "tune 2/15", figures=figures)
    assert asked == [1030.0]
    assert caplog.messages == ["tune 2/15: 3/5 batches, 0.1 batches/s, 20 s left; loss box 0.05"]


def test_items_count_by_their_size(clock, lines, caplog):
    batches = [range(16), range(16), range(8)]
    take(clock, 20, batches, 40, "infer", "images", size=len)
    assert caplog.messages == ["infer: 32/40 images, 0.8 images/s, 10 s left"]


def test_what_was_done_before_counts_as_done_but_not_as_fast(clock, lines, caplog):
    take(clock, 30, range(2), 1443, "baseline 3/50", done=1441)
    assert caplog.messages[0].startswith("baseline 3/50: 1,442/1,443 batches, 0.0333 batches/s, 30")


def run_on(stderr: io.StringIO, clock: Clock, monkeypatch, folder, **options) -> str:
    """A command that tracks a loop of a minute and says something; gives the log's text."""
    monkeypatch.setattr(sys, "stderr", stderr)

    def main(_arguments: argparse.Namespace) -> None:
        take(clock, 10, range(6), 6, "infer", "images", **options)
        logging.getLogger("parkdet").info("detected")

    path = folder / "logs/infer.log"
    assert command_line.run(argparse.ArgumentParser(), main, ["--log", str(path)]) == 0
    return path.read_text()


def test_without_a_terminal_lines_go_to_stderr_and_into_the_log(clock, monkeypatch, tmp_path):
    stderr = io.StringIO()
    text = run_on(stderr, clock, monkeypatch, tmp_path)
    line = "infer: 3/6 images, 0.1 images/s, 30 s left\n"
    assert stderr.getvalue().startswith(line)
    assert stderr.getvalue().endswith("\ndetected\n")
    assert f"INFO {line}" in text


def test_on_a_terminal_a_bar_has_the_figures_and_the_log_still_gets_lines(
    clock, monkeypatch, tmp_path
):
    stderr = Terminal()
    monkeypatch.setattr("tqdm.std.time", clock.monotonic)
    text = run_on(stderr, clock, monkeypatch, tmp_path, figures=lambda: "AP50 0.531")
    assert "| 2/6 [00:20<00:40,  0.10 images/s, AP50 0.531]" in stderr.getvalue()
    assert "images/s, 30 s left" not in stderr.getvalue()
    assert stderr.getvalue().endswith("\r\x1b[Kdetected\n")
    assert "INFO infer: 3/6 images, 0.1 images/s, 30 s left; AP50 0.531\n" in text


def test_durations_are_rounded_for_people():
    assert [duration(s) for s in (45, 720, 12240)] == ["45 s", "12 min", "3.4 h"]
