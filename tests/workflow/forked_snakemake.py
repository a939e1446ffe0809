"""Snakemake called many times at the price of one start: each call is a fork of one process."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["snakemake.api", "snakemake.cli", "snakemake.workflow"])


def call(
    folder: Path, arguments: list[str], environment: Mapping[str, str]
) -> CompletedProcess[str]:
    """Runs ``snakemake ARGUMENTS`` in a folder, in an environment that is exactly the one given."""
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as errors:
        names = (out.name, errors.name)
        process = _server.Process(target=_run, args=(folder, arguments, dict(environment), *names))
        process.start()
        process.join()
        texts = (Path(name).read_text(encoding="utf-8") for name in names)
        return CompletedProcess(["snakemake", *arguments], process.exitcode, *texts)


def _run(
    folder: Path, arguments: list[str], environment: dict[str, str], out: str, errors: str
) -> None:
    for name, stream in ((out, sys.stdout), (errors, sys.stderr)):
        with open(name, "ab") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    from snakemake.cli import main

    main(arguments)
