"""Runs Snakemake repeatedly, each time in a fork of this process, which has imported it once.

Reads one request per line from stdin and answers each with its exit code on stdout, both JSON:
`{"arguments": [...], "folder": ..., "environment": {...}, "stdout": file, "stderr": file}`.
Nothing from parkdet is imported here: each run reads what is in its own folder.
"""

import json
import os
import sys

import msgspec  # noqa: F401 (the Snakefile needs it, yaml and pydantic)
import pydantic  # noqa: F401
import yaml  # noqa: F401
from snakemake import cli


def start(arguments, folder, environment, stdout, stderr):
    """Runs in a fork: Snakemake as from a shell; ends the process."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    to_write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for stream, (path, flags) in enumerate(
        ((os.devnull, os.O_RDONLY), (stdout, to_write), (stderr, to_write))
    ):
        os.dup2(os.open(path, flags, 0o666), stream)
    sys.argv = ["snakemake", *arguments]
    cli.main(arguments)


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        start(**json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
