"""Calls Snakemake many times at the cost of one start: each call is a fork of one process."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path


def call(
    folder: Path, arguments: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs ``snakemake ARGUMENTS`` in a folder, with exactly the given environment."""
    with tempfile.TemporaryDirectory() as place:
        streams = [Path(place, name) for name in ("stdout", "stderr")]
        request = {"arguments": arguments, "folder": str(folder), "environment": environment}
        code = _ask_for(request | {path.name: str(path) for path in streams})
        return subprocess.CompletedProcess(arguments, code, *(path.read_text() for path in streams))


@cache
def _forks() -> subprocess.Popen[str]:
    """The process that Snakemake is forked from; it ends with this one."""
    command = [sys.executable, str(Path(__file__).with_name("snakemake_forks.py"))]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)


def _ask_for(run: dict) -> int:
    """The exit code of a Snakemake run; a test that gives up leaves no run or answer behind."""
    forks = _forks()
    try:
        print(json.dumps(run), file=forks.stdin, flush=True)
        return int(forks.stdout.readline())
    except BaseException:
        os.killpg(forks.pid, signal.SIGKILL)
        _forks.cache_clear()
        raise
