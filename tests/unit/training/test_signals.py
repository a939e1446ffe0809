import os
import signal

import pytest

from parkdet.training.signals import SIGNALS, stop_requests


@pytest.fixture(autouse=True)
def hangups_are_heeded():
    """Even if the tests themselves were started with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_a_request_to_stop(number):
    before = signal.getsignal(number)
    with stop_requests() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.signal == number
    assert signal.getsignal(number) is before


def test_the_first_signal_is_remembered():
    with stop_requests() as stop:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == signal.SIGUSR1


def test_what_nohup_started_outlives_its_terminal():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_requests() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop
