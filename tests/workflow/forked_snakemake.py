"""Snakemake called many times at the price of one start: each call is a fork of one process."""

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["snakemake.api", "snakemake.cli", "snakemake.workflow"])


def call(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Runs ``snakemake ARGUMENTS`` in a folder; gives its exit code and all that it printed."""
    with tempfile.NamedTemporaryFile() as output:
        process = _server.Process(
            target=_run, args=(folder, arguments, environment, output.name), daemon=False
        )
        process.start()
        process.join()
        return process.exitcode, Path(output.name).read_text(encoding="utf-8")


def _run(folder: Path, arguments: list[str], environment: dict[str, str], output: str) -> None:
    with open(output, "ab", buffering=0) as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    os.chdir(folder)
    os.environ.update(environment)
    from snakemake.cli import main

    main([*arguments])
