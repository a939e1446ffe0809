"""A rank without a model: `rank_stub.py FOLDER BEHAVIOUR`; leaves traces in FOLDER."""

import os
import sys
import time
from pathlib import Path

from parkdet.errors import StoppedEarly, UserError
from parkdet.training.rank_process import reported_to_launcher
from parkdet.training.signals import stop_requests

FOLDER, BEHAVIOUR = Path(sys.argv[1]), sys.argv[2]
RANK = int(os.environ["RANK"])


def trace(what: str) -> None:
    """Leaves a trace, which appears whole to those who wait for it."""
    path = FOLDER / f"{what}-{RANK}"
    path.with_suffix(".new").write_text(str(os.getpid()))
    path.with_suffix(".new").rename(path)


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # The launcher reaps a rank the next time it looks.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def main() -> None:
    if BEHAVIOUR == "slow start":  # signals come before they can be remembered
        trace("ready")
        wait_for((FOLDER / "go").exists)
    with stop_requests() as stop:
        remember = stop.heed

        def counted(number, frame):
            with open(FOLDER / f"signals-{RANK}", "a") as file:
                file.write(f"{number}\n")
            remember(number, frame)

        import signal

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, counted)
        trace("ready")
        if BEHAVIOUR == "end":
            return
        if BEHAVIOUR == "user error" and RANK == 1:
            wait_for((FOLDER / "ready-0").exists)
            raise UserError("No such file: nothing.json.")
        if BEHAVIOUR == "fault" and RANK == 1:
            wait_for((FOLDER / "ready-0").exists)
            raise ZeroDivisionError("the fault itself")
        wait_for(lambda: stop)
        if BEHAVIOUR == "hang":
            wait_for(lambda: False)
        if BEHAVIOUR == "fault":
            raise ConnectionError("only what follows from it")
        if BEHAVIOUR == "slow save" and RANK == 0:
            wait_for(lambda: gone(int((FOLDER / "ready-1").read_text())))
            trace("saved")
        raise StoppedEarly(f"{stop.signal.name}: saved by rank {RANK}")


with reported_to_launcher():
    main()
