"""Runs prepare_dataset.py within the test process and records whatever it writes."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import parkdet.data.prepare  # noqa: F401  (its import may write a cache, which is no change)
import prepare_dataset
from hostile.watch import changed_paths
from parkdet.command_line import run


class Done(NamedTuple):
    """Exit code of a run, and the paths outside the output folder that it changed."""

    code: int
    strays: list[str]


def run_prepare(root: Path, out: Path, options: Sequence[str] = ()) -> Done:
    """Prepares the set ``root`` to ``out``; messages go to stderr, as on the command line."""
    parser = prepare_dataset.build_parser()
    command = [f"--data-root={root}", f"--out={out}", "--val-images=2", *options]
    with changed_paths() as changed:
        code = run(parser, prepare_dataset.main, command)
    allowed = os.path.realpath(parser.parse_args(command).out)
    strays = {path for path in changed if not f"{path}/".startswith(f"{allowed}/")}
    return Done(code, sorted(strays - {os.devnull}))


def tree(folder: Path) -> dict[str, object]:
    """Everything below a folder: files by content, links by target, others by kind."""
    found: dict[str, object] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = str(path.readlink())
        else:
            found[name] = path.read_bytes() if path.is_file() else stat.S_IFMT(path.stat().st_mode)
    return found


def is_one_paragraph(message: str) -> bool:
    """Whether the last line, of bearable length, says it all, but for the tree of the layout."""
    last = message.partition(" of this form:")[0].splitlines()[-1]
    return last.startswith("prepare_dataset.py: ") and len(last) < 1500
