"""What a rank, one of a training's processes, owes its launcher: to report and to die with it."""

import ctypes
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec

from parkdet.errors import StoppedEarly, UserError

# Set by the launcher for its ranks: its process id, and the open socket that takes reports.
LAUNCHER, REPORTS = "PARKDET_LAUNCHER", "PARKDET_REPORTS"
LONGEST = 10_000  # characters of a report; the socket holds several
PR_SET_PDEATHSIG = 1  # linux/prctl.h
SECONDS_BETWEEN_LOOKS = 0.5


class Report(msgspec.Struct):
    """How a rank ended, unless it ended well: its exit code and a message."""

    rank: int
    code: int
    message: str


def is_rank() -> bool:
    """Whether a launcher, ours or torchrun, started this process as one of several."""
    return "TORCHELASTIC_RUN_ID" in os.environ


@contextmanager
def reported_to_launcher() -> Iterator[None]:
    """Hands exceptions from the block to the launcher, which shows them once for all ranks.

    In a process that no launcher started, it does nothing.

    Raises:
        SystemExit: with the exception's exit code.
    """
    if LAUNCHER not in os.environ:
        yield
        return
    _die_with(int(os.environ[LAUNCHER]))
    try:
        yield
    except StoppedEarly as error:
        if os.environ["LOCAL_RANK"] == "0":  # all of them stop
            _send(error.exit_code, str(error))
        raise SystemExit(error.exit_code) from None
    except UserError as error:
        _send(error.exit_code, str(error))
        raise SystemExit(error.exit_code) from None
    except Exception:
        _send(1, traceback.format_exc())
        raise SystemExit(1) from None


def _send(code: int, message: str) -> None:
    report = Report(int(os.environ["RANK"]), code, message[-LONGEST:])
    with (
        suppress(OSError),  # the launcher is gone, or has many reports already
        socket.socket(fileno=os.dup(int(os.environ[REPORTS]))) as reports,
    ):
        reports.send(msgspec.json.encode(report), socket.MSG_DONTWAIT)


def _die_with(launcher: int) -> None:
    """Has this process killed as soon as ``launcher``, its parent, dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(launcher,), daemon=True).start()
    if os.getppid() != launcher:  # it died before the lines above took effect
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)
