"""Runs the training command again and again in forks of one warmed-up process, and kills it.

Reads one request per line from stdin and answers each with a line on stdout, both JSON:
`{"commands": [[option, ...], ...], "after": seconds or null, "point": text or null, "number": n}`.
The commands run one after the other in one process, which gets SIGKILL after that many seconds, or
when it reaches the point for the n-th time. The answer is `{"code", "stage", "phase", "seconds"}`,
with code -9 if it was killed. Points are `enter PHASE`, `before CALL in PHASE` and `after CALL in
PHASE`.
"""

import functools
import json
import mmap
import os
import signal
import sys
import time

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import train
from parkdet.command_line import run
from parkdet.detector.build import build_model
from parkdet.training import loop, store
from parkdet.training import run as training

PHASES = ["start", "resume", "between batches", "batch", "save", "validation", "final files", "end"]
CALLS = ("fsync", "replace")


class Place:
    """Where a child is, in memory that its parent sees, and where to kill it."""

    def __init__(self):
        self.memory = mmap.mmap(-1, 2)
        self.point, self.left = None, 0

    def reset(self, point, number):
        self.memory[:] = b"\0\0"
        self.point, self.left = point, number

    @property
    def phase(self):
        return PHASES[self.memory[1]]

    def reach(self, point):
        if point == self.point:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def phase_of(self, owner, name, phase):
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapped(*arguments, **options):
            before = self.memory[1]
            self.memory[1] = PHASES.index(phase)
            self.reach(f"enter {phase}")
            result = original(*arguments, **options)
            self.memory[1] = before
            return result

        setattr(owner, name, wrapped)

    def watch(self, name):
        original = getattr(os, name)

        def wrapped(*arguments):
            self.reach(f"before {name} in {self.phase}")
            original(*arguments)
            self.reach(f"after {name} in {self.phase}")

        setattr(os, name, wrapped)


def watched():
    place = Place()
    place.phase_of(training, "_resume", "resume")
    place.phase_of(training, "_run_epochs", "between batches")
    place.phase_of(training, "_write_outputs", "final files")
    place.phase_of(loop.Trainer, "_train_on", "batch")
    place.phase_of(store.StateStore, "save", "save")
    place.phase_of(loop.Validator, "__call__", "validation")
    for name in CALLS:
        place.watch(name)
    return place


def run_all(commands, place):
    for stage, command in enumerate(commands):
        place.memory[:] = bytes([stage, 0])
        code = run(train.build_parser(), train.main, command)
        if code:
            os._exit(code)
    place.memory[1] = PHASES.index("end")
    os._exit(0)


def attempt(place, commands, after=None, point=None, number=1):
    place.reset(point, number)
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        run_all(commands, place)
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if after is not None and time.monotonic() - started > after:
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.001)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    seconds = time.monotonic() - started
    return {"code": code, "stage": place.memory[0], "phase": place.phase, "seconds": seconds}


def main():
    build_model("yolov5n", 2, seed=0)  # imports what is imported late
    place = watched()
    for line in sys.stdin:
        print(json.dumps(attempt(place, **json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
