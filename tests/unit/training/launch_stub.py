"""Launches ranks of rank_stub.py; run by path with `ARGUMENTS` = folder, behaviour, environment."""

import argparse
import os
import sys
from pathlib import Path

from parkdet.command_line import run
from parkdet.training.launch import launch
from parkdet.training.nodes import read_nodes

folder, behaviour, environment = ARGUMENTS  # noqa: F821
os.environ.update(environment)
output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.dup2(output, 1)
os.dup2(output, 2)
command = [sys.executable, str(Path(__file__).with_name("rank_stub.py")), str(folder), behaviour]
processes = int(os.environ.get("PROCESSES", 2))
sys.exit(
    run(
        argparse.ArgumentParser(prog="stub"),
        lambda _: launch(command, processes, read_nodes(), grace=0.5),
        [],
    )
)
